//! What each tier may send, sends, and has to wait.

use weir_core::snapshot::Snapshot;

use super::{
    history::Rates,
    names,
    page::{Page, number},
};

pub(super) fn fill(page: &mut Page, snapshot: &Snapshot, rates: &Rates) {
    for (name, desired) in &snapshot.desired.tiers {
        let labels = [name.as_str(), &desired.uplink];
        page.gauge(&names::TIER_GUARANTEE, &labels, number(desired.guarantee));
        page.gauge(&names::TIER_CEILING, &labels, number(desired.ceiling));
        let Some(now) = snapshot.tiers.get(name) else { continue };
        if let Some(rate) = rates.tiers.get(name) {
            page.gauge(&names::TIER_RATE, &labels, rate.sent);
            page.gauge(&names::TIER_DEMAND, &labels, rate.demanded);
        }
        page.counter(&names::TIER_MARKED, &labels, now.marked);
        for (reason, packets) in &now.dropped {
            page.counter(&names::TIER_DROPPED, &[name, &desired.uplink, reason], *packets);
        }
        page.histogram(&names::TIER_DELAY, &labels, &now.delay, now.delay_sum_ns);
    }
}
