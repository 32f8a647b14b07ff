//! How much of the link interactive traffic uses, and what follows from it for bulk: its rate and its horizon.
//!
//! The load is measured in windows of 10 ms and kept twice. The peak rises at once and falls slowly: what the others may
//! come back with. The steady load rises slowly and falls fast: what they surely go on with.

use crate::cell::Cell;

/// Length of a window, in ns.
pub const WINDOW_NS: u64 = 10_000_000;
/// Windows in which the peak falls to a lower load: 640 ms.
pub const FALL_WINDOWS: u64 = 64;
/// Windows in which the steady load rises to a higher one: 160 ms.
pub const STEADY_RISE_WINDOWS: u64 = 16;
/// Windows in which the steady load falls to a lower one: 40 ms.
pub const STEADY_FALL_WINDOWS: u64 = 4;
/// Binary places of a load: a full link is `1 << LOAD_SHIFT`.
pub const LOAD_SHIFT: u32 = 16;
/// How many quarters of the steady load count as sure to go on, so that bulk may be booked further ahead.
pub const TRUSTED_QUARTERS: u64 = 3;
/// More than this is never taken from bulk's rate: a sixteenth of the link is left to it.
pub const STEADY_MAX: u64 = (1 << LOAD_SHIFT) / 16 * 15;

/// The cells of one uplink's load.
pub struct LoadCells<C> {
    /// When the current window began.
    pub start: C,
    /// Time on the link of the interactive packets in it, in ns.
    pub busy: C,
    /// Slowly falling peak.
    pub load: C,
    /// Slowly rising steady load.
    pub steady: C,
    /// [`stretch`] of the steady load.
    pub stretch: C,
}

/// Closes the window if its time is over.
#[inline(always)]
pub fn close_window<C: Cell>(cells: &LoadCells<C>, now: u64) {
    let start = cells.start.get();
    let elapsed = now.saturating_sub(start);
    if elapsed < WINDOW_NS || !cells.start.replace(start, now) {
        return;
    }
    let busy = cells.busy.get();
    cells.busy.add(busy.wrapping_neg());
    let share = share(busy, elapsed);
    let windows = elapsed / WINDOW_NS;
    cells.load.set(next_load(cells.load.get(), share, windows));
    let steady = next_steady(cells.steady.get(), share, windows);
    cells.steady.set(steady);
    cells.stretch.set(stretch(steady));
}

/// The share of the link that `busy` of `elapsed` ns are.
#[must_use]
#[inline(always)]
pub fn share(busy: u64, elapsed: u64) -> u64 {
    // A window holds at most a few seconds of busy time, so that the shift has room: bounded for any input.
    let busy = if busy > 1 << 40 { 1 << 40 } else { busy };
    // Without a remainder of doubt for the compiler: a division that could panic does not load.
    (busy << LOAD_SHIFT).checked_div(elapsed).unwrap_or(0)
}

/// The peak after some windows of this share.
#[must_use]
#[inline(always)]
pub fn next_load(load: u64, share: u64, windows: u64) -> u64 {
    if share >= load || windows >= FALL_WINDOWS { share } else { load - (load - share) * windows / FALL_WINDOWS }
}

/// The steady load after some windows of this share.
#[must_use]
#[inline(always)]
pub fn next_steady(steady: u64, share: u64, windows: u64) -> u64 {
    let share = if share > STEADY_MAX { STEADY_MAX } else { share };
    if share >= steady {
        let windows = if windows > STEADY_RISE_WINDOWS { STEADY_RISE_WINDOWS } else { windows };
        steady + (share - steady) * windows / STEADY_RISE_WINDOWS
    } else {
        let windows = if windows > STEADY_FALL_WINDOWS { STEADY_FALL_WINDOWS } else { windows };
        steady - (steady - share) * windows / STEADY_FALL_WINDOWS
    }
}

/// How much longer than on the whole link a packet takes at the rate that a steady load leaves: x̄ / (C − x̄), in 2⁻¹⁶.
#[must_use]
#[inline(always)]
pub fn stretch(steady: u64) -> u64 {
    let steady = if steady > STEADY_MAX { STEADY_MAX } else { steady };
    (steady << LOAD_SHIFT).checked_div((1 << LOAD_SHIFT) - steady).unwrap_or(0)
}

/// H = δ·C/(x̂ − ¾·x̄), kept between its bounds: bulk that is booked H ahead, at the rate that x̄ leaves, adds at most about
/// δ of delay when the others come back with x̂.
///
/// Of x̄ not all is trusted: within its mean it comes in bursts, and what is booked far ahead cannot yield to them.
#[must_use]
#[inline(always)]
pub fn horizon(load: u64, steady: u64, delta_ns: u64, min_ns: u64, max_ns: u64) -> u64 {
    let doubt = load.saturating_sub(steady / 4 * TRUSTED_QUARTERS);
    // delta · 2¹⁶ / doubt < min and > max, without the division where it is not needed.
    let scaled = delta_ns << LOAD_SHIFT;
    if scaled >= max_ns.wrapping_mul(doubt) {
        return max_ns;
    }
    let horizon = scaled.checked_div(doubt).unwrap_or(max_ns);
    if horizon < min_ns { min_ns } else { horizon }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    const FULL: u64 = 1 << LOAD_SHIFT;
    const MS: u64 = 1_000_000;

    #[test]
    fn a_share_is_bounded_for_any_input() {
        assert_eq!(share(6 * MS, 10 * MS), FULL * 6 / 10);
        assert_eq!(share(u64::MAX, u64::MAX), 0);
        assert_eq!(share(1, 0), 0);
    }

    #[test]
    fn the_peak_rises_at_once_and_falls_slowly() {
        assert_eq!(next_load(0, FULL / 2, 1), FULL / 2);
        assert_eq!(next_load(FULL, 0, 1), FULL - FULL / FALL_WINDOWS);
        assert_eq!(next_load(FULL, 0, 64), 0);
        assert_eq!(next_load(FULL, 0, u64::MAX), 0);
    }

    #[test]
    fn the_steady_load_rises_slowly_and_falls_fast() {
        assert_eq!(next_steady(0, FULL / 2, 1), FULL / 2 / STEADY_RISE_WINDOWS);
        assert_eq!(next_steady(0, FULL / 2, u64::MAX), FULL / 2);
        assert_eq!(next_steady(FULL / 2, 0, 1), FULL / 2 - FULL / 2 / STEADY_FALL_WINDOWS);
        assert_eq!(next_steady(FULL / 2, 0, u64::MAX), 0);
        assert_eq!(next_steady(0, u64::MAX, u64::MAX), STEADY_MAX);
    }

    #[test]
    fn a_packet_takes_longer_beside_a_steady_load() {
        assert_eq!(stretch(0), 0);
        assert_eq!(stretch(FULL / 2), FULL);
        assert_eq!(stretch(FULL / 4 * 3), FULL * 3);
        assert_eq!(stretch(u64::MAX), FULL * 15);
    }

    #[test]
    fn a_window_closes_once() {
        let (start, busy, load) = (AtomicU64::new(0), AtomicU64::new(5 * MS), AtomicU64::new(0));
        let (steady, stretch) = (AtomicU64::new(0), AtomicU64::new(0));
        let cells = LoadCells { start: &start, busy: &busy, load: &load, steady: &steady, stretch: &stretch };
        close_window(&cells, 9 * MS);
        assert_eq!((start.load(Relaxed), load.load(Relaxed)), (0, 0));
        close_window(&cells, 10 * MS);
        assert_eq!((start.load(Relaxed), busy.load(Relaxed), load.load(Relaxed)), (10 * MS, 0, FULL / 2));
        assert_eq!((steady.load(Relaxed), stretch.load(Relaxed)), (FULL / 32, super::stretch(FULL / 32)));
    }

    #[test]
    fn the_horizon_follows_what_is_in_doubt() {
        let of = |load, steady| horizon(load, steady, 2 * MS, 2 * MS, 40 * MS);
        assert_eq!(of(0, 0), 40 * MS);
        assert_eq!(of(FULL / 100, 0), 40 * MS);
        assert!(of(FULL / 10, 0).abs_diff(20 * MS) < MS / 100);
        assert!(of(FULL / 2, FULL / 10 * 4).abs_diff(10 * MS) < MS / 100);
        assert!(of(FULL / 2, FULL / 2).abs_diff(16 * MS) < MS / 100);
        assert_eq!(of(FULL / 2, FULL), 40 * MS);
        assert_eq!(of(FULL, 0), 2 * MS);
        assert_eq!(of(FULL * 3, 0), 2 * MS);
    }
}
