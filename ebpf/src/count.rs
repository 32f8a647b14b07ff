//! Counters of uplinks, tiers and pods.

use weir_common::counters::{Class, PodUplink, TierTraffic, UplinkTraffic};

use crate::maps::{POD_UPLINK, TIER_TRAFFIC, UPLINK_TRAFFIC};

/// Counts a packet that passed an uplink.
#[inline(always)]
pub(crate) fn class(uplink: u16, class: Class, wire_len: u32) {
    of_uplink(uplink, |count| {
        count.bytes[class as usize] += u64::from(wire_len);
        count.packets[class as usize] += 1;
    });
}

/// Changes an uplink's counters.
#[inline(always)]
pub(crate) fn of_uplink(uplink: u16, change: impl FnOnce(&mut UplinkTraffic)) {
    if let Some(count) = UPLINK_TRAFFIC.get_ptr_mut(u32::from(uplink)) {
        // SAFETY: a per-CPU value; see `maps::count_exit`.
        change(unsafe { &mut *count });
    }
}

/// Changes a tier's counters.
#[inline(always)]
pub(crate) fn of_tier(tier: u16, change: impl FnOnce(&mut TierTraffic)) {
    if let Some(count) = TIER_TRAFFIC.get_ptr_mut(u32::from(tier)) {
        // SAFETY: a per-CPU value; see `maps::count_exit`.
        change(unsafe { &mut *count });
    }
}

/// Changes what a pod's slot counts on uplinks.
#[inline(always)]
pub(crate) fn of_pod(slot: u16, change: impl FnOnce(&mut PodUplink)) {
    if let Some(count) = POD_UPLINK.get_ptr_mut(u32::from(slot)) {
        // SAFETY: a per-CPU value; see `maps::count_exit`.
        change(unsafe { &mut *count });
    }
}

/// Counts a packet of a pod that passed an uplink.
#[inline(always)]
pub(crate) fn passed(count: &mut PodUplink, wire_len: u32) {
    count.bytes += u64::from(wire_len);
    count.packets += 1;
}
