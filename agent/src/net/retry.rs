//! When to look again though no event came.
//!
//! A CNI makes a veth first and gives it addresses inside the pod's namespace afterwards. That second step is seen as
//! an event only where the agent may listen to other namespaces ([`super::events`]); and the kubelet makes a pod's cgroup
//! without any event at all. So what is awaited is looked for again after 5, 10, 20, … ms. After about a second the slow
//! tick of the reconcile loop is enough.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weir_core::host::{Host, Link};

const FIRST: Duration = Duration::from_millis(5);
/// Longest wait between two looks; after it what is awaited is left to the slow tick.
const LAST: Duration = Duration::from_millis(640);

/// What is awaited, and when to look for it again.
#[derive(Clone, Debug)]
pub struct Awaited<K>(BTreeMap<K, Look>);

impl<K> Default for Awaited<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

#[derive(Clone, Copy, Debug)]
struct Look {
    wait: Duration,
    /// None once it has been looked for often enough.
    due: Option<Instant>,
}

impl<K: Ord> Awaited<K> {
    /// Takes what was missing at `now` and returns when to look again, if not only on the next event or tick.
    pub fn missing(&mut self, missing: impl IntoIterator<Item = K>, now: Instant) -> Option<Instant> {
        let earlier = std::mem::take(&mut self.0);
        for key in missing {
            let look = match earlier.get(&key) {
                None => Look { wait: FIRST, due: Some(now + FIRST) },
                Some(look) if look.due.is_some_and(|due| due <= now) => look.next(now),
                Some(look) => *look,
            };
            self.0.insert(key, look);
        }
        self.0.values().filter_map(|look| look.due).min()
    }
}

/// Returns the veths into other namespaces whose other ends have no address (yet).
pub fn without_addresses(host: &Host) -> impl Iterator<Item = u32> {
    host.links.iter().filter(|(_, link)| lacks_addresses(link)).map(|(&ifindex, _)| ifindex)
}

impl Look {
    fn next(self, now: Instant) -> Self {
        let wait = self.wait * 2;
        Self { wait, due: (wait <= LAST).then(|| now + wait) }
    }
}

fn lacks_addresses(link: &Link) -> bool {
    matches!(link.kind.as_deref(), Some("veth" | "netkit")) && link.lower.is_none() && link.inside.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(awaited: &mut Awaited<u32>, host: &Host, now: Instant) -> Option<Instant> {
        awaited.missing(without_addresses(host), now)
    }

    fn host(links: &[(u32, &[&str])]) -> Host {
        let link = |inside: &[&str]| Link {
            kind: Some("veth".to_owned()),
            inside: inside.iter().map(|address| address.parse().expect("an address")).collect(),
            ..Link::default()
        };
        Host { links: links.iter().map(|(ifindex, inside)| (*ifindex, link(inside))).collect(), ..Host::default() }
    }

    #[test]
    fn waits_double_from_five_ms_for_about_a_second() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        let (mut now, mut waits) = (start, Vec::new());
        while let Some(due) = observed(&mut awaited, &host(&[(7, &[])]), now) {
            waits.push(u64::try_from((due - now).as_millis()).expect("short"));
            now = due;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640]);
        assert_eq!(observed(&mut awaited, &host(&[(7, &[])]), now + LAST), None, "left to the slow tick for good");
    }

    #[test]
    fn an_event_in_between_does_not_use_up_a_look() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        let due = observed(&mut awaited, &host(&[(7, &[])]), start);
        for millisecond in 1..5 {
            assert_eq!(observed(&mut awaited, &host(&[(7, &[])]), start + Duration::from_millis(millisecond)), due);
        }
    }

    #[test]
    fn a_new_veth_starts_afresh_beside_one_that_was_given_up() {
        let (mut awaited, mut now) = (Awaited::default(), Instant::now());
        while let Some(due) = observed(&mut awaited, &host(&[(7, &[])]), now) {
            now = due;
        }
        assert_eq!(observed(&mut awaited, &host(&[(7, &[]), (8, &[])]), now), Some(now + FIRST));
    }

    #[test]
    fn addresses_end_the_wait() {
        let (mut awaited, now) = (Awaited::default(), Instant::now());
        assert!(observed(&mut awaited, &host(&[(7, &[])]), now).is_some());
        assert_eq!(observed(&mut awaited, &host(&[(7, &["10.0.0.1"])]), now), None);
    }

    #[test]
    fn a_veth_pair_within_the_node_and_other_links_are_not_waited_for() {
        let mut pair = host(&[(7, &[]), (8, &[])]);
        pair.links.get_mut(&7).expect("there").lower = Some(8);
        pair.links.get_mut(&8).expect("there").kind = Some("bridge".to_owned());
        assert_eq!(observed(&mut Awaited::default(), &pair, Instant::now()), None);
    }
}
