//! What the snapshots before the latest are still needed for: pods that have just ended.

use std::{collections::BTreeMap, sync::Arc};

use weir_core::{
    desired::{DesiredPod, Place},
    model::PodKey,
    snapshot::{PodNow, Snapshot},
};

/// For how long the last counters of a pod that ended stay on the page: every scraper that comes once a minute, as is
/// Prometheus' default, or more often sees them once.
pub(super) const LINGER_NS: u64 = 60_000_000_000;

/// The latest snapshot, and pods that ended.
#[derive(Debug, Default)]
pub(super) struct History {
    latest: Option<Arc<Snapshot>>,
    pods: BTreeMap<PodKey, PodSeries>,
}

/// A pod on the page: its labels outlive its object as long as the kernel counts for it.
#[derive(Clone, Debug)]
pub(super) struct PodSeries {
    pub(super) workload: String,
    pub(super) tier: String,
    /// No interface of the node counts for it alone.
    pub(super) without_interface: bool,
    pub(super) counters: PodNow,
    last_seen_ns: u64,
}

impl History {
    /// Takes a snapshot in, unless it is older than what was shown.
    pub(super) fn add(&mut self, snapshot: Arc<Snapshot>) {
        let now = snapshot.monotonic_ns;
        if self.latest.as_ref().is_some_and(|latest| latest.monotonic_ns > now) {
            return;
        }
        for (key, counters) in &snapshot.pods {
            let desired = snapshot.desired.pods.get(key);
            if let Some(series) = PodSeries::new(desired, self.pods.get(key), counters, now) {
                self.pods.insert(key.clone(), series);
            }
        }
        self.pods.retain(|_, series| now - series.last_seen_ns <= LINGER_NS);
        self.latest = Some(snapshot);
    }

    /// The snapshot to show.
    pub(super) fn latest(&self) -> Option<&Snapshot> {
        self.latest.as_deref()
    }

    /// Pods that live, and those that ended a moment ago.
    pub(super) fn pods(&self) -> &BTreeMap<PodKey, PodSeries> {
        &self.pods
    }
}

impl PodSeries {
    /// None where nothing is known of the pod but its counters.
    fn new(desired: Option<&DesiredPod>, before: Option<&Self>, counters: &PodNow, now: u64) -> Option<Self> {
        let counters = counters.clone();
        match (desired, before) {
            (Some(desired), _) => Some(Self {
                workload: desired.workload.clone(),
                tier: desired.tier_names(),
                without_interface: matches!(desired.place, Place::HostNetwork | Place::Sockets),
                counters,
                last_seen_ns: now,
            }),
            (None, Some(before)) => Some(Self { counters, last_seen_ns: now, ..before.clone() }),
            (None, None) => None,
        }
    }
}
