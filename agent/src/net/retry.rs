//! When to look again though no event came.
//!
//! A CNI makes a veth first and gives it addresses inside the pod's namespace afterwards. That second step is seen as
//! an event only where the agent may listen to other namespaces ([`super::events`]); so a veth that leads into another
//! namespace without addresses is looked at again after 5, 10, 20, … ms. After about a second the slow tick of the
//! reconcile loop is enough.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weir_core::host::{Host, Link};

const FIRST: Duration = Duration::from_millis(5);
/// Longest wait between two looks; after it the veth is left to the slow tick.
const LAST: Duration = Duration::from_millis(640);

/// The veths whose addresses are still awaited, and when to look at them again.
#[derive(Clone, Debug, Default)]
pub struct Awaited(BTreeMap<u32, Look>);

#[derive(Clone, Copy, Debug)]
struct Look {
    wait: Duration,
    /// None once it has been looked at often enough.
    due: Option<Instant>,
}

impl Awaited {
    /// Takes what was seen at `now` and returns when to observe again, if not only on the next event or tick.
    pub fn observed(&mut self, host: &Host, now: Instant) -> Option<Instant> {
        let earlier = std::mem::take(&mut self.0);
        for (&ifindex, _) in host.links.iter().filter(|(_, link)| lacks_addresses(link)) {
            let look = match earlier.get(&ifindex) {
                None => Look { wait: FIRST, due: Some(now + FIRST) },
                Some(look) if look.due.is_some_and(|due| due <= now) => look.next(now),
                Some(look) => *look,
            };
            self.0.insert(ifindex, look);
        }
        self.0.values().filter_map(|look| look.due).min()
    }
}

impl Look {
    fn next(self, now: Instant) -> Self {
        let wait = self.wait * 2;
        Self { wait, due: (wait <= LAST).then(|| now + wait) }
    }
}

/// Whether this is a veth into another namespace whose other end has no address (yet).
fn lacks_addresses(link: &Link) -> bool {
    link.kind.as_deref() == Some("veth") && link.lower.is_none() && link.inside.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        while let Some(due) = awaited.observed(&host(&[(7, &[])]), now) {
            waits.push(u64::try_from((due - now).as_millis()).expect("short"));
            now = due;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640]);
        assert_eq!(awaited.observed(&host(&[(7, &[])]), now + LAST), None, "left to the slow tick for good");
    }

    #[test]
    fn an_event_in_between_does_not_use_up_a_look() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        let due = awaited.observed(&host(&[(7, &[])]), start);
        for millisecond in 1..5 {
            assert_eq!(awaited.observed(&host(&[(7, &[])]), start + Duration::from_millis(millisecond)), due);
        }
    }

    #[test]
    fn a_new_veth_starts_afresh_beside_one_that_was_given_up() {
        let (mut awaited, mut now) = (Awaited::default(), Instant::now());
        while let Some(due) = awaited.observed(&host(&[(7, &[])]), now) {
            now = due;
        }
        assert_eq!(awaited.observed(&host(&[(7, &[]), (8, &[])]), now), Some(now + FIRST));
    }

    #[test]
    fn addresses_end_the_wait() {
        let (mut awaited, now) = (Awaited::default(), Instant::now());
        assert!(awaited.observed(&host(&[(7, &[])]), now).is_some());
        assert_eq!(awaited.observed(&host(&[(7, &["10.0.0.1"])]), now), None);
    }

    #[test]
    fn a_veth_pair_within_the_node_and_other_links_are_not_waited_for() {
        let mut pair = host(&[(7, &[]), (8, &[])]);
        pair.links.get_mut(&7).expect("there").lower = Some(8);
        pair.links.get_mut(&8).expect("there").kind = Some("bridge".to_owned());
        assert_eq!(Awaited::default().observed(&pair, Instant::now()), None);
    }
}
