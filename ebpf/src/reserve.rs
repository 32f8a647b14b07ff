//! What ceilings schedule beyond the link's own horizon: one account for each uplink.
//!
//! A departure cannot be taken back, and nobody says when a packet has left. So what is scheduled is kept in a ring of
//! epochs by its departure, and an epoch that has passed is taken off the sum. A clock may add to it as long as its own
//! part is within a few shares of what is left (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on
//! Networking 6(2), 1998): one clock alone has most of it, and many have equal parts.

use weir_common::limits::AHEAD_EPOCHS;

use crate::cell::Cell;

/// Binary logarithm of an epoch's length in ns: 33.6 ms.
pub const EPOCH_SHIFT: u32 = 25;
/// Epochs of the ring: 2.1 s. What departs later counts as departing in the last one.
pub const EPOCHS: u64 = AHEAD_EPOCHS as u64;
/// A clock may schedule this many times what is left.
const SHARES: u64 = 4;

/// Where an account is kept.
pub trait Account {
    /// A number of it.
    type Number: Cell;
    /// The epoch up to which it is cleared.
    fn epoch(&self) -> Self::Number;
    /// Time on the line that is scheduled, in ns.
    fn ahead(&self) -> Self::Number;
    /// The part of it that departs in an epoch; `index` is below [`EPOCHS`].
    fn bucket(&self, index: u32) -> Option<Self::Number>;
}

/// An account with its limit.
pub struct Reserve<A> {
    /// The account.
    pub account: A,
    /// Time on the line that may be scheduled beyond the horizon, in ns.
    pub limit: u64,
    /// Time of the packet on the line, in ns.
    pub time: u64,
}

impl<A: Account> Reserve<A> {
    /// How much may still be scheduled, in ns, as of the last [`Self::clear`].
    #[inline(always)]
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.account.ahead().get())
    }

    /// Returns whether a clock that has so many packets of this length beyond the horizon may schedule one more there.
    #[inline(always)]
    pub fn is_fair(&self, others: u64, left: u64) -> bool {
        // A clock is slower than the line, so that its packets take less time there: no product overflows.
        (others + 1) * self.time <= SHARES * left
    }

    /// Enters the packet.
    #[inline(always)]
    pub fn enter(&self, departure: u64) {
        let (last, epoch) = (self.account.epoch().get() + EPOCHS - 1, departure >> EPOCH_SHIFT);
        let epoch = if epoch > last { last } else { epoch };
        if let Some(bucket) = self.account.bucket(index(epoch)) {
            bucket.add(self.time);
            self.account.ahead().add(self.time);
        }
    }

    /// Takes epochs that have passed off the sum.
    #[inline(always)]
    pub fn clear(&self, now: u64) {
        let (current, seen) = (now >> EPOCH_SHIFT, self.account.epoch().get());
        if seen >= current || !self.account.epoch().replace(seen, current) {
            return;
        }
        let mut step = 0;
        while step < EPOCHS {
            if seen + step >= current {
                break;
            }
            if let Some(bucket) = self.account.bucket(index(seen + step)) {
                let departed = bucket.get();
                bucket.add(departed.wrapping_neg());
                self.account.ahead().add(departed.wrapping_neg());
            }
            step += 1;
        }
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // Below 64.
fn index(epoch: u64) -> u32 {
    (epoch & (EPOCHS - 1)) as u32
}

#[cfg(test)]
pub(crate) mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    /// An account on the host.
    #[derive(Debug)]
    pub(crate) struct Kept {
        epoch: AtomicU64,
        ahead: AtomicU64,
        buckets: [AtomicU64; 64],
    }

    impl Default for Kept {
        fn default() -> Self {
            Self { epoch: 0.into(), ahead: 0.into(), buckets: [const { AtomicU64::new(0) }; 64] }
        }
    }

    impl<'a> Account for &'a Kept {
        type Number = &'a AtomicU64;

        fn epoch(&self) -> &'a AtomicU64 {
            &self.epoch
        }

        fn ahead(&self) -> &'a AtomicU64 {
            &self.ahead
        }

        fn bucket(&self, index: u32) -> Option<&'a AtomicU64> {
            self.buckets.get(index as usize)
        }
    }

    const MS: u64 = 1_000_000;
    const START: u64 = 10_000 * MS;
    const LIMIT: u64 = 10 * MS;
    const TIME: u64 = 600_000;

    fn reserve(kept: &Kept) -> Reserve<&Kept> {
        Reserve { account: kept, limit: LIMIT, time: TIME }
    }

    fn admits(kept: &Kept, now: u64, others: u64) -> bool {
        let reserve = reserve(kept);
        reserve.clear(now);
        reserve.is_fair(others, reserve.left())
    }

    /// Fills with packets that depart at a moment, as far as one clock may. Returns how many there were.
    fn fill(kept: &Kept, now: u64, departure: u64) -> u64 {
        let mut packets = 0;
        while admits(kept, now, packets) {
            reserve(kept).enter(departure);
            packets += 1;
        }
        packets
    }

    #[test]
    fn one_clock_has_most_of_it_and_more_have_equal_parts() {
        assert_eq!(fill(&Kept::default(), START, START + 100 * MS), LIMIT * 4 / 5 / TIME + 1);
        let kept = Kept::default();
        let (mut packets, mut grew) = ([0u64; 5], true);
        while grew {
            grew = false;
            for packets in &mut packets {
                if admits(&kept, START, *packets) {
                    reserve(&kept).enter(START + 100 * MS);
                    *packets += 1;
                    grew = true;
                }
            }
        }
        assert_eq!(packets, [4, 3, 3, 3, 3]);
        assert!(kept.ahead.load(Relaxed) <= LIMIT);
    }

    #[test]
    fn what_has_departed_makes_room_also_after_a_long_pause() {
        for (departure, later) in [(20, 100), (200, 300), (2_000, 2_100), (9_000, 9_100), (200, 1_000_000)] {
            let kept = Kept::default();
            let packets = fill(&kept, START, START + departure * MS);
            assert!(!admits(&kept, START + MS, packets));
            assert!(admits(&kept, START + later * MS, packets - 1), "{departure} ms ahead, {later} ms later");
            assert_eq!(kept.ahead.load(Relaxed), 0);
            assert!(kept.buckets.iter().all(|bucket| bucket.load(Relaxed) == 0));
        }
    }

    #[test]
    fn what_has_not_departed_stays() {
        let kept = Kept::default();
        for departure in [40, 400] {
            assert!(admits(&kept, START, 0));
            reserve(&kept).enter(START + departure * MS);
        }
        admits(&kept, START + 200 * MS, 0);
        assert_eq!(kept.ahead.load(Relaxed), TIME);
    }
}
