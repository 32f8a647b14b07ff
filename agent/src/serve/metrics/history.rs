//! What the snapshots before the latest are still needed for: rates, and pods that have just ended.

use std::{collections::BTreeMap, sync::Arc};

use weir_core::{
    desired::{DesiredPod, Place},
    model::PodKey,
    snapshot::{PodNow, Snapshot},
};

use super::page::number;

/// For how long the last counters of a pod that ended stay on the page: every scraper that comes once a minute, as is
/// Prometheus' default, or more often sees them once.
pub(super) const LINGER_NS: u64 = 60_000_000_000;
/// Two snapshots give a rate when at least this lies between them; two scrapers at the same time do not.
const SHORTEST_WINDOW_NS: u64 = 1_000_000_000;

/// The latest snapshot, the rates up to it, and pods that ended.
#[derive(Debug, Default)]
pub(super) struct History {
    latest: Option<Arc<Snapshot>>,
    /// Where the next rates are counted from.
    base: Option<Arc<Snapshot>>,
    rates: Rates,
    pods: BTreeMap<PodKey, PodSeries>,
}

/// Bits per second between two snapshots.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// By tier.
    pub(super) tiers: BTreeMap<String, TierRate>,
    /// By uplink and class.
    pub(super) uplinks: BTreeMap<(String, &'static str), f64>,
}

/// What a tier sent and wanted to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct TierRate {
    pub(super) sent: f64,
    pub(super) demanded: f64,
}

/// A pod on the page: its labels outlive its object as long as the kernel counts for it.
#[derive(Clone, Debug)]
pub(super) struct PodSeries {
    pub(super) workload: String,
    pub(super) tier: String,
    /// It shares the node's network: no interface counts for it alone.
    pub(super) host_network: bool,
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
        match &self.base {
            None => self.base = Some(snapshot.clone()),
            Some(base) if now.saturating_sub(base.monotonic_ns) >= SHORTEST_WINDOW_NS => {
                self.rates = Rates::between(base, &snapshot);
                self.base = Some(snapshot.clone());
            }
            Some(_) => {}
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

    /// Rates up to it; empty until there are two snapshots.
    pub(super) fn rates(&self) -> &Rates {
        &self.rates
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
                tier: desired.tier.clone().unwrap_or_default(),
                host_network: matches!(desired.place, Place::Cgroup { .. }),
                counters,
                last_seen_ns: now,
            }),
            (None, Some(before)) => Some(Self { counters, last_seen_ns: now, ..before.clone() }),
            (None, None) => None,
        }
    }
}

impl Rates {
    fn between(earlier: &Snapshot, later: &Snapshot) -> Self {
        let window = number(later.monotonic_ns.saturating_sub(earlier.monotonic_ns)) / 1e9;
        // A counter that is lower than before belongs to a new owner and has begun at 0.
        let rate = |before: u64, after: u64| number(after.checked_sub(before).unwrap_or(after)) * 8.0 / window;
        let tiers = later.tiers.iter().filter_map(|(name, after)| {
            let before = earlier.tiers.get(name)?;
            let sent = rate(before.bytes, after.bytes);
            let demanded = sent + rate(before.dropped_bytes, after.dropped_bytes);
            Some((name.clone(), TierRate { sent, demanded }))
        });
        let uplinks = later.uplinks.iter().flat_map(|(name, after)| {
            let before = earlier.uplinks.get(name);
            after.bytes.iter().filter_map(move |(class, bytes)| {
                let before = before?.bytes.get(class).copied().unwrap_or_default();
                Some(((name.clone(), *class), rate(before, *bytes)))
            })
        });
        Self { tiers: tiers.collect(), uplinks: uplinks.collect() }
    }
}
