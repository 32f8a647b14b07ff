//! Clocks that the programs keep. The agent reads them and never writes them, but for a new owner's beginning.
//!
//! A clock is a moment on `CLOCK_MONOTONIC` in ns: when the link, tier or pod would have sent all that passed so far.
//! Each value begins a cache line of its own, so that two CPUs that shape two pods do not share one.

use crate::{config::UPLINKS, counters::PodTraffic};

/// Value of `UPLINK_STATE`, indexed by uplink id.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkState {
    /// L: when the link would be idle again.
    pub clock: u64,
    /// When the current window of the interactive load began.
    pub window_start: u64,
    /// Time on the link of the interactive packets in the current window, in ns.
    pub window_busy: u64,
    /// x̂/C: slowly falling peak of the interactive load as a share of the capacity, in 2⁻¹⁶.
    pub load: u64,
    /// x̄/C: what interactive traffic takes steadily, as a share of the capacity, in 2⁻¹⁶.
    pub steady: u64,
    /// B: when bulk would have sent all that it booked, at the rate that steady interactive traffic leaves to it.
    pub bulk: u64,
    /// How much longer than on the whole link a packet takes at that rate, in 2⁻¹⁶: x̄ / (C − x̄).
    pub stretch: u64,
    /// Always 0.
    pub zero: u64,
    /// The epoch up to which the uplink's cells of `AHEAD` are cleared.
    pub ahead_epoch: u64,
    /// The sum of these cells.
    pub ahead: u64,
    /// Unused.
    pub reserved: [u64; 6],
}

/// Value of `TIER_STATE`, indexed by tier id.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierState {
    /// When a link of the ceiling's rate would be idle again.
    pub ceiling: u64,
    /// G: when a link of the guarantee's rate would be idle again.
    pub guarantee: u64,
}

/// Value of `POD_STATE`, indexed by slot.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    /// When a link of the pod's ceiling would be idle again, by uplink id.
    pub ceilings: [u64; UPLINKS],
    /// What the pod's interface had counted before our programs did: the agent's, written once for each owner.
    pub before: PodTraffic,
    /// 1 once `before` is written; until then the pod's counters do not say all that has passed.
    pub begun: u64,
    /// Until when what the pod sends goes where its last burst went to be split.
    pub splits_until: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cache_lines_each() {
        assert_eq!(size_of::<UplinkState>(), 128);
        assert_eq!(size_of::<TierState>(), 64);
        assert_eq!(size_of::<PodState>(), 192);
    }
}
