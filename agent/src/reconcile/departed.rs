//! The last counters of pods that ended, so that a scraper that comes later still sees what they sent.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weir_core::{
    model::PodKey,
    snapshot::{PodNow, Snapshot},
};

/// How long they are told: longer than any usual scrape interval.
const KEEP: Duration = Duration::from_mins(1);

/// Pods that ended lately.
#[derive(Default)]
pub(super) struct Departed(BTreeMap<PodKey, (PodNow, Instant)>);

impl Departed {
    /// Notes a pod's last counters, and forgets those that have been told long enough.
    pub(super) fn note(&mut self, key: PodKey, counters: PodNow, now: Instant) {
        self.0.retain(|_, (_, since)| now.duration_since(*since) < KEEP);
        self.0.insert(key, (counters, now));
    }

    /// Adds them to a snapshot, but for those whose name has a new pod.
    pub(super) fn add_to(&self, snapshot: &mut Snapshot, now: Instant) {
        for (key, (counters, since)) in &self.0 {
            if now.duration_since(*since) < KEEP {
                snapshot.pods.entry(key.clone()).or_insert_with(|| counters.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> PodKey {
        PodKey { namespace: "default".into(), name: name.into() }
    }

    fn sent(tx_bytes: u64) -> PodNow {
        PodNow { tx_bytes, ..PodNow::default() }
    }

    #[test]
    fn the_last_counters_are_told_for_a_while() {
        let (mut departed, now) = (Departed::default(), Instant::now());
        departed.note(key("seed"), sent(7), now);
        let told = |at| {
            let mut snapshot = Snapshot::default();
            departed.add_to(&mut snapshot, at);
            snapshot.pods.get(&key("seed")).map(|pod| pod.tx_bytes)
        };
        assert_eq!(told(now + KEEP / 2), Some(7));
        assert_eq!(told(now + KEEP), None);
    }

    #[test]
    fn a_new_pod_of_the_same_name_stands_for_itself() {
        let (mut departed, now) = (Departed::default(), Instant::now());
        departed.note(key("seed"), sent(7), now);
        let mut snapshot = Snapshot { pods: [(key("seed"), sent(1))].into(), ..Snapshot::default() };
        departed.add_to(&mut snapshot, now);
        assert_eq!(snapshot.pods[&key("seed")].tx_bytes, 1);
    }
}
