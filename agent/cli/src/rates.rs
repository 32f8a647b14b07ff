//! What happened between two snapshots: rates of uplinks, tiers and pods.

mod delay;

use std::collections::BTreeMap;

use serde::Serialize;
use weir_api::admin::v1::{Drops, Pod, Snapshot, Tier, Uplink, UplinkObserved};

use crate::status::{is_without_interface, sum_of_drops, tier_names};

/// Rates between two snapshots of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Rates {
    pub(crate) node: String,
    pub(crate) kernel: String,
    pub(crate) degraded: Vec<String>,
    /// Time between the two snapshots.
    pub(crate) window_ns: u64,
    pub(crate) uplinks: Vec<UplinkRate>,
    pub(crate) tiers: Vec<TierRate>,
    pub(crate) pods: Vec<PodRate>,
}

/// An uplink.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct UplinkRate {
    pub(crate) name: String,
    pub(crate) interfaces: Vec<String>,
    /// Capacity less headroom.
    pub(crate) rate_bits_per_second: u64,
    pub(crate) interactive_bits_per_second: u64,
    pub(crate) bulk_bits_per_second: u64,
    pub(crate) exempt_bits_per_second: u64,
    pub(crate) booked_ns: u64,
    pub(crate) horizon_ns: u64,
    pub(crate) paced: bool,
}

/// A tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TierRate {
    pub(crate) name: String,
    pub(crate) uplink: String,
    pub(crate) sent_bits_per_second: u64,
    /// What was sent and what was dropped.
    pub(crate) demand_bits_per_second: u64,
    pub(crate) guarantee_bits_per_second: u64,
    pub(crate) ceiling_bits_per_second: u64,
    /// Delay that half of the packets stayed below; none without packets.
    pub(crate) delay_p50_ns: Option<u64>,
    /// Delay that 99 of 100 packets stayed below.
    pub(crate) delay_p99_ns: Option<u64>,
    pub(crate) drops_per_second: f64,
    pub(crate) marks_per_second: f64,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PodRate {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Empty for an interactive pod.
    pub(crate) tier: String,
    pub(crate) ceiling_bits_per_second: Option<u64>,
    pub(crate) uplink_bits_per_second: u64,
    /// None for a pod of the host network, for which no interface counts alone.
    pub(crate) transmit_bits_per_second: Option<u64>,
    /// None likewise.
    pub(crate) receive_bits_per_second: Option<u64>,
    pub(crate) drops_per_second: f64,
}

impl Rates {
    /// None where no time lies between the two: another machine, or the node was restarted.
    pub(crate) fn between(earlier: &Snapshot, later: &Snapshot) -> Option<Self> {
        let window = Window::new(later.monotonic_ns.checked_sub(earlier.monotonic_ns)?)?;
        let uplinks: BTreeMap<_, _> = earlier.uplinks.iter().map(|uplink| (uplink.name.as_str(), uplink)).collect();
        let tiers: BTreeMap<_, _> = earlier.tiers.iter().map(|tier| (tier.name.as_str(), tier)).collect();
        let pods: BTreeMap<_, _> =
            earlier.pods.iter().map(|pod| ((pod.namespace.as_str(), pod.name.as_str()), pod)).collect();
        Some(Self {
            node: later.node.clone(),
            kernel: later.kernel.clone(),
            degraded: later.degraded.clone(),
            window_ns: window.ns,
            uplinks: later
                .uplinks
                .iter()
                .map(|uplink| window.uplink(uplinks.get(uplink.name.as_str()).copied(), uplink))
                .collect(),
            tiers: later.tiers.iter().map(|tier| window.tier(tiers.get(tier.name.as_str()).copied(), tier)).collect(),
            pods: later
                .pods
                .iter()
                .map(|pod| window.pod(pods.get(&(pod.namespace.as_str(), pod.name.as_str())).copied(), pod))
                .collect(),
        })
    }
}

/// The time between two snapshots, not 0.
#[derive(Clone, Copy)]
struct Window {
    ns: u64,
}

impl Window {
    fn new(ns: u64) -> Option<Self> {
        (ns > 0).then_some(Self { ns })
    }

    fn bits_per_second(self, before: Option<u64>, after: u64) -> u64 {
        let bits = u128::from(grown(before, after)) * 8 * 1_000_000_000 / u128::from(self.ns);
        u64::try_from(bits).unwrap_or(u64::MAX)
    }

    /// Counts within one window are far below 2⁵³.
    #[allow(clippy::cast_precision_loss)]
    fn per_second(self, before: Option<u64>, after: u64) -> f64 {
        grown(before, after) as f64 * 1e9 / self.ns as f64
    }

    fn uplink(self, before: Option<&Uplink>, after: &Uplink) -> UplinkRate {
        let desired = after.desired.clone().unwrap_or_default();
        let now = after.observed.clone().unwrap_or_default();
        let then = before.and_then(|before| before.observed.as_ref());
        let class = |name| self.bits_per_second(then.map(|then| class_bytes(then, name)), class_bytes(&now, name));
        UplinkRate {
            name: after.name.clone(),
            interfaces: desired.interfaces.into_iter().map(|interface| interface.name).collect(),
            rate_bits_per_second: desired.rate_bits_per_second,
            interactive_bits_per_second: class("interactive"),
            bulk_bits_per_second: class("bulk"),
            exempt_bits_per_second: class("exempt"),
            booked_ns: now.booked_ns,
            horizon_ns: now.horizon_ns,
            paced: now.paced,
        }
    }

    fn tier(self, before: Option<&Tier>, after: &Tier) -> TierRate {
        let desired = after.desired.clone().unwrap_or_default();
        let now = after.observed.clone().unwrap_or_default();
        let then = before.and_then(|before| before.observed.as_ref());
        let sent = self.bits_per_second(then.map(|then| then.bytes), now.bytes);
        let dropped = self.bits_per_second(then.map(|then| then.dropped_bytes), now.dropped_bytes);
        let delay = delay::Delays::between(then.and_then(|then| then.delay.as_ref()), now.delay.as_ref());
        TierRate {
            name: after.name.clone(),
            uplink: desired.uplink,
            sent_bits_per_second: sent,
            demand_bits_per_second: sent.saturating_add(dropped),
            guarantee_bits_per_second: desired.guarantee_bits_per_second,
            ceiling_bits_per_second: desired.ceiling_bits_per_second,
            delay_p50_ns: delay.percentile(50),
            delay_p99_ns: delay.percentile(99),
            drops_per_second: self.drops(then.map(|then| then.drops.as_slice()), &now.drops),
            marks_per_second: self.per_second(then.map(|then| then.marked_packets), now.marked_packets),
        }
    }

    fn pod(self, before: Option<&Pod>, after: &Pod) -> PodRate {
        let desired = after.desired.clone().unwrap_or_default();
        let now = after.observed.clone().unwrap_or_default();
        // A pod of the same name with another slot is another pod, whose counters began at 0.
        let then = before.and_then(|before| before.observed.as_ref()).filter(|then| then.slot == now.slot);
        let then = then.or_else(|| before.is_none().then_some(&now));
        let own = !is_without_interface(after);
        PodRate {
            namespace: after.namespace.clone(),
            name: after.name.clone(),
            tier: tier_names(&desired),
            ceiling_bits_per_second: desired.ceilings.iter().map(|ceiling| ceiling.rate_bits_per_second).min(),
            uplink_bits_per_second: self.bits_per_second(then.map(|then| then.uplink_bytes), now.uplink_bytes),
            transmit_bits_per_second: own
                .then(|| self.bits_per_second(then.map(|then| then.transmit_bytes), now.transmit_bytes)),
            receive_bits_per_second: own
                .then(|| self.bits_per_second(then.map(|then| then.receive_bytes), now.receive_bytes)),
            drops_per_second: self.drops(then.map(|then| then.drops.as_slice()), &now.drops),
        }
    }

    fn drops(self, before: Option<&[Drops]>, after: &[Drops]) -> f64 {
        self.per_second(before.map(sum_of_drops), sum_of_drops(after))
    }
}

/// How much a counter grew. One that is lower than before has a new owner and began at 0; what was not there before began
/// at 0 too.
fn grown(before: Option<u64>, after: u64) -> u64 {
    after.checked_sub(before.unwrap_or_default()).unwrap_or(after)
}

fn class_bytes(uplink: &UplinkObserved, name: &str) -> u64 {
    uplink.classes.iter().filter(|class| class.class == name).map(|class| class.bytes).sum()
}

#[cfg(test)]
mod tests;
