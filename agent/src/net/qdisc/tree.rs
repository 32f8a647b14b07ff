//! What stands on an interface: its root qdisc and those directly below.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{fq, message};
use crate::net::{Netlink, Result, channel::Channel};

/// A qdisc's or class's handle `major:minor`. Major 0: the kernel made it by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle {
    /// Names the qdisc.
    pub major: u16,
    /// Names a class in it; 0 is the qdisc itself.
    pub minor: u16,
}

impl Handle {
    /// Parent of the root (`TC_H_ROOT`).
    pub(super) const ROOT: Self = Self { major: u16::MAX, minor: u16::MAX };
    /// Root qdiscs that Weir makes. The kernel numbers its own from 8001 up, people theirs from 1.
    pub(super) const OURS: Self = Self { major: 0x3e17, minor: 0 };
}

impl fmt::Display for Handle {
    /// Like `tc`: hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:x}", self.major, self.minor)
    }
}

/// One qdisc as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qdisc {
    /// `fq`, `htb`, …
    pub kind: String,
    /// Its own handle.
    pub handle: Handle,
    /// The class of the qdisc above in which it stands.
    pub parent: Handle,
    /// `TCA_OPTIONS` as the kernel wrote it; none if there is no such attribute.
    pub options: Option<Vec<u8>>,
}

impl Qdisc {
    /// Whether the kernel put it there by itself, as `net.core.default_qdisc` and the driver say.
    #[must_use]
    pub fn is_kernels_own(&self) -> bool {
        self.handle.major == 0
    }
}

/// The root qdisc of an interface with everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootQdisc {
    /// The root.
    pub root: Qdisc,
    /// All other qdiscs of the interface, except clsact and ingress, in the kernel's order.
    pub below: Vec<Qdisc>,
}

impl RootQdisc {
    /// Whether Weir made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.root.handle == Handle::OURS
    }

    /// The qdiscs that stand directly in a class of the root: one per transmit queue under `mq`.
    pub fn leaves(&self) -> impl Iterator<Item = &Qdisc> {
        self.below.iter().filter(|qdisc| qdisc.parent.major == self.root.handle.major)
    }

    /// Whether paced packets wait here: `fq` with Weir's limits at the root, or in every queue of an `mq`.
    #[must_use]
    pub fn paces(&self) -> bool {
        match self.root.kind.as_str() {
            "mq" => self.leaves().next().is_some() && self.leaves().all(fq::is_wanted),
            _ => fq::is_wanted(&self.root),
        }
    }
}

impl fmt::Display for RootQdisc {
    /// For a person: `mq + 4 fq`, `fq_codel (not ours)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root.kind)?;
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for leaf in self.leaves() {
            *kinds.entry(&leaf.kind).or_default() += 1;
        }
        for (kind, count) in kinds {
            write!(f, " + {count} {kind}")?;
        }
        if self.is_ours() { Ok(()) } else { f.write_str(" (not ours)") }
    }
}

impl Netlink {
    /// Reads what stands on every interface that has a root qdisc, by ifindex, in one dump.
    ///
    /// # Errors
    /// When the kernel refuses, or the qdiscs keep changing meanwhile.
    pub async fn root_qdiscs(&self) -> Result<BTreeMap<u32, RootQdisc>> {
        self.with(read).await
    }
}

pub(super) fn read(channel: &mut Channel) -> Result<BTreeMap<u32, RootQdisc>> {
    Ok(assemble(channel.dump("list the qdiscs", &message::all_qdiscs(), message::parse)?))
}

fn assemble(found: Vec<message::Found>) -> BTreeMap<u32, RootQdisc> {
    let (mut roots, mut others) = (BTreeMap::new(), Vec::new());
    for message::Found { ifindex, qdisc } in found {
        if qdisc.parent == Handle::ROOT {
            roots.insert(ifindex, RootQdisc { root: qdisc, below: Vec::new() });
        } else if !matches!(qdisc.kind.as_str(), "clsact" | "ingress") {
            others.push((ifindex, qdisc));
        }
    }
    for (ifindex, qdisc) in others {
        if let Some(root) = roots.get_mut(&ifindex) {
            root.below.push(qdisc);
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ifindex: u32, kind: &str, handle: u16, parent: Handle) -> message::Found {
        let handle = Handle { major: handle, minor: 0 };
        message::Found { ifindex, qdisc: Qdisc { kind: kind.to_owned(), handle, parent, options: None } }
    }

    #[test]
    fn leaves_come_under_their_root_and_clsact_under_none() {
        let leaf = |minor| Handle { major: 0, minor };
        let roots = assemble(vec![
            found(2, "mq", 0, Handle::ROOT),
            found(2, "fq_codel", 0, leaf(1)),
            found(2, "pfifo_fast", 0, leaf(2)),
            found(2, "clsact", 0xffff, Handle { major: 0xffff, minor: 0xfff1 }),
            found(3, "clsact", 0xffff, Handle { major: 0xffff, minor: 0xfff1 }),
            found(4, "htb", 1, Handle::ROOT),
        ]);
        assert_eq!(roots.keys().copied().collect::<Vec<_>>(), [2, 4]);
        assert_eq!(roots[&2].to_string(), "mq + 1 fq_codel + 1 pfifo_fast (not ours)");
        assert_eq!(roots[&4].to_string(), "htb (not ours)");
    }

    #[test]
    fn ours_is_told_by_its_handle() {
        let root = Qdisc { kind: "fq".to_owned(), handle: Handle::OURS, ..Qdisc::default() };
        let ours = RootQdisc { root, below: Vec::new() };
        assert!(ours.is_ours());
        assert_eq!(ours.to_string(), "fq");
    }
}
