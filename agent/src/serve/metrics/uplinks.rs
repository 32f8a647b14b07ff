//! What each uplink can carry and carries.

use weir_core::snapshot::Snapshot;

use super::{
    names,
    page::{Page, number},
};

pub(super) fn fill(page: &mut Page, snapshot: &Snapshot) {
    for (name, desired) in &snapshot.desired.uplinks {
        page.gauge(&names::UPLINK_CAPACITY, &[name], number(desired.capacity));
        for (class, rate) in snapshot.rates.uplinks.get(name).into_iter().flatten() {
            page.gauge(&names::UPLINK_RATE, &[name, class], number(*rate));
        }
        let Some(now) = snapshot.uplinks.get(name) else { continue };
        for (class, bytes) in &now.bytes {
            page.counter(&names::UPLINK_BYTES, &[name, class], *bytes);
        }
        for (class, packets) in &now.packets {
            page.counter(&names::UPLINK_PACKETS, &[name, class], *packets);
        }
    }
}
