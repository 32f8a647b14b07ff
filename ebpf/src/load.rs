//! How much of the link interactive traffic uses, and the horizon that follows from it.
//!
//! The load is measured in windows of 10 ms. A rise counts at once, a fall slowly, so that the horizon is short as long
//! as the others may come back, and grows again when they stay away.

use crate::cell::Cell;

/// Length of a window, in ns.
pub const WINDOW_NS: u64 = 10_000_000;
/// Windows in which the difference to a lower load falls away: 640 ms.
pub const FALL_WINDOWS: u64 = 64;
/// Binary places of a load: a full link is `1 << LOAD_SHIFT`.
pub const LOAD_SHIFT: u32 = 16;

/// The cells of one uplink's load.
pub struct LoadCells<C> {
    /// When the current window began.
    pub start: C,
    /// Time on the link of the interactive packets in it, in ns.
    pub busy: C,
    /// Slowly falling peak.
    pub load: C,
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
    cells.load.set(next_load(cells.load.get(), busy, elapsed));
}

/// The load after a window of `elapsed` ns with `busy` ns of interactive packets.
#[must_use]
#[inline(always)]
pub fn next_load(load: u64, busy: u64, elapsed: u64) -> u64 {
    // A window holds at most a few seconds of busy time, so that the shift has room: bounded for any input.
    let busy = if busy > 1 << 40 { 1 << 40 } else { busy };
    // Without a remainder of doubt for the compiler: a division that could panic does not load.
    let share = (busy << LOAD_SHIFT).checked_div(elapsed).unwrap_or(0);
    if share >= load {
        return share;
    }
    let windows = elapsed / WINDOW_NS;
    if windows >= FALL_WINDOWS {
        return share;
    }
    load - (load - share) * windows / FALL_WINDOWS
}

/// H = δ·C/x̂, kept between its bounds: bulk that is booked H ahead adds about δ of delay when the others send x̂ of C.
#[must_use]
#[inline(always)]
pub fn horizon(load: u64, delta_ns: u64, min_ns: u64, max_ns: u64) -> u64 {
    // delta · 2¹⁶ / load < min and > max, without the division where it is not needed.
    let scaled = delta_ns << LOAD_SHIFT;
    if scaled >= max_ns.wrapping_mul(load) {
        return max_ns;
    }
    let horizon = scaled.checked_div(load).unwrap_or(max_ns);
    if horizon < min_ns { min_ns } else { horizon }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    const FULL: u64 = 1 << LOAD_SHIFT;
    const MS: u64 = 1_000_000;

    #[test]
    fn a_rise_counts_at_once_and_a_fall_slowly() {
        assert_eq!(next_load(0, 6 * MS, 10 * MS), FULL * 6 / 10);
        let once = next_load(FULL, 0, 10 * MS);
        assert_eq!(once, FULL - FULL / FALL_WINDOWS);
        assert_eq!(next_load(FULL, 0, 640 * MS), 0);
        assert_eq!(next_load(FULL, u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn a_window_closes_once() {
        let (start, busy, load) = (AtomicU64::new(0), AtomicU64::new(5 * MS), AtomicU64::new(0));
        let cells = LoadCells { start: &start, busy: &busy, load: &load };
        close_window(&cells, 9 * MS);
        assert_eq!((start.load(Relaxed), load.load(Relaxed)), (0, 0));
        close_window(&cells, 10 * MS);
        assert_eq!((start.load(Relaxed), busy.load(Relaxed), load.load(Relaxed)), (10 * MS, 0, FULL / 2));
    }

    #[test]
    fn the_horizon_follows_the_load() {
        let of = |load| horizon(load, 2 * MS, 2 * MS, 40 * MS);
        assert_eq!(of(0), 40 * MS);
        assert_eq!(of(FULL / 100), 40 * MS);
        assert!(of(FULL / 10).abs_diff(20 * MS) < MS / 100);
        assert_eq!(of(FULL), 2 * MS);
        assert_eq!(of(FULL * 3), 2 * MS);
    }
}
