//! Which devices hold an uplink's packets.

use std::collections::{BTreeMap, BTreeSet};

use weir_core::host::Link;

/// The devices on which `fq` has to stand for packets that leave by `uplink`.
///
/// A VLAN hands packets to its lower device and a bond or team to its ports, and the queues are there; the device
/// itself keeps its `noqueue`. Any other device carries its own. A VLAN whose lower device is in another namespace
/// carries its own too. A bond without ports has no carriers.
#[must_use]
pub fn carriers(links: &BTreeMap<u32, Link>, uplink: u32) -> BTreeSet<u32> {
    let (mut carriers, mut visited, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![uplink]);
    while let Some(ifindex) = todo.pop() {
        let Some(link) = links.get(&ifindex).filter(|_| visited.insert(ifindex)) else { continue };
        match (link.kind.as_deref(), link.lower) {
            (Some("vlan"), Some(lower)) => todo.push(lower),
            (Some("bond" | "team"), _) => {
                todo.extend(links.iter().filter(|(_, port)| port.master == Some(ifindex)).map(|(&port, _)| port));
            }
            _ => {
                carriers.insert(ifindex);
            }
        }
    }
    carriers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: Option<&str>, lower: Option<u32>, master: Option<u32>) -> Link {
        Link { kind: kind.map(str::to_owned), lower, master, ..Link::default() }
    }

    /// 2, 3: hardware in bond 4; 5: VLAN on the bond; 6: VLAN on 7; 8: bridge with port 9; 10: VLAN over elsewhere.
    fn links() -> BTreeMap<u32, Link> {
        BTreeMap::from([
            (2, link(None, None, Some(4))),
            (3, link(None, None, Some(4))),
            (4, link(Some("bond"), None, None)),
            (5, link(Some("vlan"), Some(4), None)),
            (6, link(Some("vlan"), Some(7), None)),
            (7, link(None, None, None)),
            (8, link(Some("bridge"), None, None)),
            (9, link(None, None, Some(8))),
            (10, link(Some("vlan"), None, None)),
            (11, link(Some("bond"), None, None)),
        ])
    }

    #[test]
    fn each_kind_of_uplink() {
        for (uplink, expected) in [
            (7, vec![7]),
            (6, vec![7]),
            (4, vec![2, 3]),
            (5, vec![2, 3]),
            (8, vec![8]),
            (10, vec![10]),
            (11, vec![]),
            (99, vec![]),
        ] {
            assert_eq!(carriers(&links(), uplink).into_iter().collect::<Vec<_>>(), expected, "uplink {uplink}");
        }
    }

    #[test]
    fn links_in_a_circle_end() {
        let links = BTreeMap::from([(2, link(Some("vlan"), Some(3), None)), (3, link(Some("vlan"), Some(2), None))]);
        assert_eq!(carriers(&links, 2), BTreeSet::new());
    }
}
