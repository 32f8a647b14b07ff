//! When a packet of a tier, or of a pod with a ceiling, leaves: the virtual link clock.
//!
//! Earliest departure time as in Saeed et al., *Carousel* (SIGCOMM 2017): one stamp per packet, one timer per device
//! (`fq`), no lock over the link.
//!
//! A stamp cannot be taken back, so how far ahead a packet may be scheduled is bounded by a horizon, and differently for
//! each clock: what the *link's* clock schedules delays others by as much as it is ahead, and its horizon is short. What a
//! *guarantee* schedules would be sent just so on a full link, and delays nobody beyond what is promised; what a *ceiling* c
//! on a link C schedules ahead by H delays others by H·c/C. TCP needs room for some packets on the clock that limits it
//! (below two it lives from timeouts), so that the horizon of these is room for a number of bytes, and a [`Reserve`]
//! bounds what all ceilings of an uplink schedule beyond the link's own horizon together.

use weir_common::units::{Cost, time_on_link};

use crate::{
    cell::Cell,
    clock::{Bounds, book},
    reserve::{Account, Reserve},
    verifier::Zero,
};

/// How far ahead the link's clock is believed, in ns: what interactive traffic sends beyond the capacity waits, or is
/// lost, behind us, and must not keep bulk away for longer than that queue can last.
pub const LINK_LEAD_NS: u64 = 250_000_000;
/// How far ahead the guarantee's clock runs while the tier borrows, in ns. It bounds how long a tier that borrowed waits
/// for its guarantee once the link is busy.
pub const GUARANTEE_LEAD_NS: u64 = 20_000_000;
/// Bound for clocks of ceilings, in ns: beyond the time of any packet at the lowest rate.
pub const CEILING_LEAD_NS: u64 = 600_000_000_000;

/// A clock and how long the packet takes on it.
pub struct Booking<C> {
    /// The clock.
    pub clock: C,
    /// Time of the packet at the clock's rate, in ns.
    pub time: u64,
    /// The clock's rate; 0: no limit, and the clock is left as it is.
    pub cost: Cost,
}

/// What a packet is held against.
pub struct Request<C, A> {
    /// `CLOCK_MONOTONIC`, in ns.
    pub now: u64,
    /// The uplink's clock; without a limit: interactive, which never waits for the link.
    pub link: Booking<C>,
    /// The clock of bulk alone, at the rate that steady interactive traffic leaves to it; without a limit: the whole link.
    pub share: Booking<C>,
    /// The tier's guarantee.
    pub guarantee: Booking<C>,
    /// The tier's ceiling.
    pub tier: Booking<C>,
    /// The pod's ceiling.
    pub pod: Booking<C>,
    /// Burst of all clocks, in ns.
    pub burst: u64,
    /// H: the longest wait for the link, in ns.
    pub horizon: u64,
    /// Bytes that a guarantee or a ceiling may schedule ahead where H holds fewer.
    pub room: u32,
    /// What ceilings may schedule beyond H.
    pub reserve: Reserve<A>,
    /// What keeps clocks without a limit from the verifier's knowledge.
    pub zero: Zero<C>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It leaves at this time, which is now or later.
    At {
        /// `CLOCK_MONOTONIC`, in ns.
        departure: u64,
        /// It waits for more than half of what is allowed.
        late: bool,
        /// A ceiling schedules it beyond the horizon: to be entered in the reserve.
        beyond: bool,
    },
    /// It would leave beyond the horizon.
    TooLate,
}

/// By how much a packet's waits exceed half of what their clocks allow; 0 where none does. Only that it is 0 has a meaning.
#[derive(Clone, Copy, Default)]
struct Late(u64);

impl Late {
    #[inline(always)]
    fn take(&mut self, wait: u64, allowed: u64) {
        self.0 |= wait.saturating_sub(allowed / 2);
    }
}

impl<C: Cell, A: Account> Request<C, A> {
    /// Decides, and books the packet on every clock unless it is dropped.
    #[inline(always)]
    pub fn decide(&self) -> Decision {
        let mut late = Late::default();
        let Some(by_guarantee) = self.over_link(&mut late) else { return Decision::TooLate };
        let (tier, pod) = (self.wait(&self.tier, CEILING_LEAD_NS), self.wait(&self.pod, CEILING_LEAD_NS));
        let beyond = tier > self.horizon || pod > self.horizon;
        let left = self.reserve.left();
        if beyond && (!self.may_wait(&self.tier, tier, left) || !self.may_wait(&self.pod, pod, left)) {
            return Decision::TooLate;
        }
        late.take(tier, self.allowed(&self.tier, left));
        late.take(pod, self.allowed(&self.pod, left));
        Decision::At { departure: self.book(by_guarantee), late: late.0 > 0, beyond }
    }

    /// Returns whether the packet goes by the tier's guarantee and not by what the link has left; none if both are booked
    /// too far ahead.
    ///
    /// Of the two the earlier counts, so that packets of a tier depart in the order in which they come.
    #[inline(always)]
    fn over_link(&self, late: &mut Late) -> Option<bool> {
        let shared = max(self.wait(&self.link, LINK_LEAD_NS), self.wait(&self.share, LINK_LEAD_NS));
        if self.is_limit(&self.guarantee) {
            let own = self.wait(&self.guarantee, CEILING_LEAD_NS);
            if own <= shared {
                let allowed = self.room(&self.guarantee);
                late.take(own, allowed);
                return if own <= allowed { Some(true) } else { None };
            }
        }
        late.take(shared, self.horizon);
        if shared <= self.horizon { Some(false) } else { None }
    }

    /// Returns whether a ceiling may let a packet wait for so long, with so much left of the reserve.
    #[inline(always)]
    fn may_wait(&self, ceiling: &Booking<C>, wait: u64, left: u64) -> bool {
        let Some(others) = wait.saturating_sub(self.horizon).checked_div(ceiling.time) else { return true };
        wait <= self.horizon || (wait <= self.room(ceiling) && self.reserve.is_fair(others, left))
    }

    /// Books the packet: max(now, link or guarantee, tier, pod).
    #[inline(always)]
    fn book(&self, by_guarantee: bool) -> u64 {
        let mut at = max(self.book_on(&self.link, LINK_LEAD_NS), self.book_on(&self.share, LINK_LEAD_NS));
        if by_guarantee {
            at = self.book_on(&self.guarantee, CEILING_LEAD_NS);
        } else if self.guarantee.clock.get() < self.now + GUARANTEE_LEAD_NS {
            // Borrowed: counts against the guarantee up to the lead, and beyond it is forgiven.
            self.book_on(&self.guarantee, CEILING_LEAD_NS);
        }
        at = max(at, self.book_on(&self.tier, CEILING_LEAD_NS));
        at = max(at, self.book_on(&self.pod, CEILING_LEAD_NS));
        max(at, self.now)
    }

    #[inline(always)]
    fn is_limit(&self, booking: &Booking<C>) -> bool {
        self.zero.blur(booking.cost) != 0
    }

    #[inline(always)]
    fn book_on(&self, booking: &Booking<C>, lead: u64) -> u64 {
        if !self.is_limit(booking) {
            return self.zero.blur(0);
        }
        self.zero.blur(book(&booking.clock, self.now, self.bounds(booking, lead), booking.time))
    }

    /// How long the packet would wait for a clock.
    #[inline(always)]
    fn wait(&self, booking: &Booking<C>, lead: u64) -> u64 {
        if !self.is_limit(booking) {
            return self.zero.blur(0);
        }
        self.zero.blur(self.bounds(booking, lead).apply(booking.clock.get(), self.now).saturating_sub(self.now))
    }

    /// How long a wait a ceiling allows, by and large: not what this packet waits decides, or a short wait would be late
    /// where a longer one is not.
    #[inline(always)]
    fn allowed(&self, ceiling: &Booking<C>, left: u64) -> u64 {
        if left > self.reserve.limit / 8 { self.room(ceiling) } else { self.horizon }
    }

    /// How far ahead a clock may schedule where H leaves TCP too little room.
    #[inline(always)]
    fn room(&self, booking: &Booking<C>) -> u64 {
        max(time_on_link(self.room, booking.cost), self.horizon)
    }

    #[inline(always)]
    fn bounds(&self, booking: &Booking<C>, lead: u64) -> Bounds {
        // One packet may take longer than the lead at a low rate; its time must still count.
        Bounds { burst: self.burst, lead: max(lead, booking.time) }
    }
}

#[inline(always)]
fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests;
