//! Virtual clocks: when a link of a given rate would have sent all that passed so far.
//!
//! A clock that lags behind now stands for an idle link; it may catch up only by `burst`, or an idle hour would be sent
//! at once. A clock far ahead of now stands for booked time; `lead` bounds how much of it is believed.

use crate::cell::Cell;

/// How often a lost race for a clock is tried again before the time is added blindly.
const TRIES: u32 = 4;

/// How far a clock may stand away from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Behind, in ns.
    pub burst: u64,
    /// Ahead, in ns.
    pub lead: u64,
}

impl Bounds {
    /// The clock as it counts for a packet that comes at `now`.
    #[must_use]
    #[inline(always)]
    pub fn apply(self, clock: u64, now: u64) -> u64 {
        let earliest = now.saturating_sub(self.burst);
        let latest = now + self.lead;
        if clock < earliest {
            earliest
        } else if clock > latest {
            latest
        } else {
            clock
        }
    }
}

/// Books `time` ns on a clock and returns where the booking begins.
///
/// Two CPUs never book the same time: a lost race is tried again, and after the last try the time is added as it is.
#[inline(always)]
pub fn book<C: Cell>(clock: &C, now: u64, bounds: Bounds, time: u64) -> u64 {
    let mut tries = 0;
    while tries < TRIES {
        let old = clock.get();
        let begin = bounds.apply(old, now);
        if clock.replace(old, begin + time) {
            return begin;
        }
        tries += 1;
    }
    clock.add(time);
    bounds.apply(clock.get().saturating_sub(time), now)
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { burst: 1_000, lead: 1_000_000 };

    #[test]
    fn bookings_follow_each_other() {
        let clock = AtomicU64::new(0);
        assert_eq!(book(&&clock, 10_000, BOUNDS, 500), 9_000);
        assert_eq!(book(&&clock, 10_000, BOUNDS, 500), 9_500);
        assert_eq!(book(&&clock, 10_000, BOUNDS, 500), 10_000);
        assert_eq!(clock.load(Ordering::Relaxed), 10_500);
    }

    #[test]
    fn a_clock_from_the_far_future_is_not_believed() {
        let clock = AtomicU64::new(u64::MAX);
        assert_eq!(book(&&clock, 10_000, BOUNDS, 500), 1_010_000);
        assert_eq!(clock.load(Ordering::Relaxed), 1_010_500);
    }

    #[test]
    fn no_booking_is_lost_between_threads() {
        let clock = AtomicU64::new(0);
        let bounds = Bounds { burst: 0, lead: u64::MAX / 2 };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        book(&&clock, 1, bounds, 3);
                    }
                });
            }
        });
        assert_eq!(clock.load(Ordering::Relaxed), 1 + 4 * 10_000 * 3);
    }

    proptest! {
        #[test]
        fn a_booking_begins_within_its_bounds(clock: u64, now in 0..u64::MAX / 4, time in 0..u64::MAX / 4) {
            let cell = AtomicU64::new(clock);
            let begin = book(&&cell, now, BOUNDS, time);
            prop_assert!(begin >= now.saturating_sub(BOUNDS.burst) && begin <= now + BOUNDS.lead);
            prop_assert_eq!(cell.load(Ordering::Relaxed), begin + time);
        }
    }
}
