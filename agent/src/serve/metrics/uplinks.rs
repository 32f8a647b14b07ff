//! What each uplink can carry and carries.

use weir_core::snapshot::Snapshot;

use super::{
    history::Rates,
    names,
    page::{Page, number},
};

pub(super) fn fill(page: &mut Page, snapshot: &Snapshot, rates: &Rates) {
    for (name, desired) in &snapshot.desired.uplinks {
        page.gauge(&names::UPLINK_CAPACITY, &[name], number(desired.capacity));
    }
    for ((name, class), rate) in &rates.uplinks {
        if snapshot.desired.uplinks.contains_key(name) {
            page.gauge(&names::UPLINK_RATE, &[name, class], *rate);
        }
    }
}
