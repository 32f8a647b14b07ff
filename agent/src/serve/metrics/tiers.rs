//! What each tier may send, sends, and has to wait.

use weir_core::snapshot::Snapshot;

use super::{
    names,
    page::{Page, number},
};

pub(super) fn fill(page: &mut Page, snapshot: &Snapshot) {
    for (name, desired) in &snapshot.desired.tiers {
        let labels = [name.as_str(), &desired.uplink];
        page.gauge(&names::TIER_GUARANTEE, &labels, number(desired.guarantee));
        page.gauge(&names::TIER_CEILING, &labels, number(desired.ceiling));
        if let Some(rate) = snapshot.rates.tiers.get(name) {
            page.gauge(&names::TIER_RATE, &labels, number(rate.sent));
            page.gauge(&names::TIER_DEMAND, &labels, number(rate.demanded));
        }
        let Some(now) = snapshot.tiers.get(name) else { continue };
        page.counter(&names::TIER_BYTES, &labels, now.bytes);
        page.counter(&names::TIER_PACKETS, &labels, now.packets);
        page.counter(&names::TIER_MARKED, &labels, now.marked);
        for (reason, packets) in &now.dropped {
            page.counter(&names::TIER_DROPPED, &[name, &desired.uplink, reason], *packets);
        }
        page.histogram(&names::TIER_DELAY, &labels, &now.delay, now.delay_sum_ns);
    }
}
