//! When a packet of a tier, or of a pod with a ceiling, leaves: the virtual link clock.
//!
//! Earliest departure time as in Saeed et al., *Carousel* (SIGCOMM 2017): one stamp per packet, one timer per device
//! (`fq`), no lock over the link.

use crate::{
    cell::Cell,
    clock::{Bounds, book},
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
}

/// What a packet is held against.
pub struct Request<C> {
    /// `CLOCK_MONOTONIC`, in ns.
    pub now: u64,
    /// Departure that the packet's own socket asks for, or 0.
    pub socket: u64,
    /// The uplink's clock; none: interactive, which never waits for the link.
    pub link: Option<Booking<C>>,
    /// The clock of bulk alone, at the rate that steady interactive traffic leaves to it; none: the whole link.
    pub share: Option<Booking<C>>,
    /// The tier's guarantee.
    pub guarantee: Option<Booking<C>>,
    /// The tier's ceiling.
    pub tier: Option<Booking<C>>,
    /// The pod's ceiling.
    pub pod: Option<Booking<C>>,
    /// Burst of all clocks, in ns.
    pub burst: u64,
    /// H: the longest wait, in ns.
    pub horizon: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It leaves at this time, which is now or later.
    At(u64),
    /// It would leave beyond the horizon.
    TooLate,
}

impl<C: Cell> Request<C> {
    /// Decides, and books the packet on every clock unless it is dropped.
    #[inline(always)]
    pub fn decide(&self) -> Decision {
        if self.departure(|booking, bounds| bounds.apply(booking.clock.get(), self.now)) - self.now > self.horizon {
            return Decision::TooLate;
        }
        Decision::At(self.departure(|booking, bounds| book(&booking.clock, self.now, bounds, booking.time)))
    }

    /// max(now, min(max(link, share), guarantee), tier, pod), each clock read in the way that `read` does it.
    #[inline(always)]
    fn departure(&self, read: impl Fn(&Booking<C>, Bounds) -> u64) -> u64 {
        let mut at = if self.socket > self.now { self.socket } else { self.now };
        if let Some(link) = &self.link {
            let mut shared = read(link, self.bounds(LINK_LEAD_NS, link.time));
            if let Some(bulk) = &self.share {
                shared = max(shared, read(bulk, self.bounds(LINK_LEAD_NS, bulk.time)));
            }
            if let Some(own) = &self.guarantee {
                let clock = own.clock.get();
                if clock <= shared {
                    shared = read(own, self.bounds(CEILING_LEAD_NS, 0));
                } else if clock < self.now + GUARANTEE_LEAD_NS {
                    // Borrowed: counts against the guarantee up to the lead, and beyond it is forgiven.
                    read(own, self.bounds(CEILING_LEAD_NS, 0));
                }
            }
            at = max(at, shared);
        }
        if let Some(tier) = &self.tier {
            at = max(at, read(tier, self.bounds(CEILING_LEAD_NS, 0)));
        }
        if let Some(pod) = &self.pod {
            at = max(at, read(pod, self.bounds(CEILING_LEAD_NS, 0)));
        }
        at
    }

    #[inline(always)]
    fn bounds(&self, lead: u64, time: u64) -> Bounds {
        // One packet may take longer than the lead at a low rate; its time must still count.
        Bounds { burst: self.burst, lead: max(lead, time) }
    }
}

#[inline(always)]
fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests;
