//! Packets that wait for clocks: what each is held against, and what becomes of it.

use weir_common::{
    config::{DSCP_KEEP, PodConfig, TierConfig, UPLINK_POLICE},
    counters::{Class, DELAY_BUCKETS, delay_bucket},
    reason::{DropReason, Exit},
    state::TierState,
    units::{Cost, time_on_link},
};
use weir_ebpf::{
    cell::Cell,
    load::{self, LOAD_SHIFT, LoadCells, close_window},
    pacing::{Booking, Decision, Request},
    reserve::Reserve,
};

use super::{Leaving, NO_TIER};
use crate::{
    count,
    maps::{Ahead, MapCell, TIER_STATE, TIERS},
    split,
};

/// How long after a burst packets take its way: longer than its segments wait in the backlog of their CPU.
const FOLLOW_NS: u64 = 1_000_000;

/// What became of a packet that waits for clocks.
struct Obeyed {
    exit: Exit,
    /// How long it waits, in ns.
    wait: u64,
}

impl Leaving<'_> {
    /// A packet that waits for clocks: bulk of a tier, or of a pod without one, interactive but for its own ceiling.
    #[inline(always)]
    pub(super) fn limited(&self, slot: u16, pod: &PodConfig, id: u16, ceiling: Booking<MapCell>) -> Exit {
        let (Some(tier), Some(clocks)) = (TIERS.get(u32::from(id)), TIER_STATE.get_ptr_mut(u32::from(id))) else {
            return Exit::NoMapValue;
        };
        self.reserve().clear(self.now);
        let load = self.load();
        close_window(&load, self.now);
        let (mut link, mut horizon) = (0, u64::from(self.uplink.horizon_max_ns));
        // Without `fq` a packet cannot wait for the link: only ceilings are held.
        if id != NO_TIER && !self.polices() {
            (link, horizon) = (self.uplink.capacity, self.horizon(&load));
        }
        let request = self.request(tier, clocks, ceiling, self.zero.blur(link), self.zero.blur(horizon));
        let Obeyed { exit, wait } = self.obey(&request, slot);
        if id == NO_TIER {
            if !exit.is_drop() {
                self.count_untiered(slot, pod);
                self.interactive();
            }
            return exit;
        }
        if exit.is_drop() {
            count::of_tier(id, |count| {
                count.dropped_bytes += u64::from(self.wire_len);
                count.dropped[drop_reason(exit) as usize] += 1;
            });
            return exit;
        }
        if tier.dscp != DSCP_KEEP {
            self.packet.set_dscp(tier.dscp);
        }
        count::class(self.uplink_id, Class::Bulk, self.wire_len);
        count::of_tier(id, |count| {
            count.bytes += u64::from(self.wire_len);
            count.packets += 1;
            count.marked += u64::from(matches!(exit, Exit::Marked));
            count.delay_sum_ns += wait;
            count.delay[delay_bucket(wait) & (DELAY_BUCKETS - 1)] += 1;
        });
        exit
    }

    /// Sends a burst to be split that would keep others waiting for more than δ, and what the pod sends right behind it,
    /// which would overtake the segments (`splits`: until when). A burst that comes back whole, because somebody has
    /// changed the veth, leaves as it is: it would come back again.
    #[inline(always)]
    pub(super) fn is_split(&self, slot: u16, splits: &MapCell) -> bool {
        if self.uplink.splitter == 0 || self.returned || self.port == 0 {
            return false;
        }
        let is_long = self.packet.is_burst()
            && time_on_link(self.line_len, self.uplink.capacity) > u64::from(self.uplink.delta_ns);
        if !is_long && self.now >= splits.get() {
            return false;
        }
        let is_sent = split::send(&self.packet, self.uplink.splitter, self.port, slot);
        if is_sent && is_long {
            splits.set(self.now + FOLLOW_NS);
        }
        is_sent
    }

    /// How far ahead the link may be booked beside this load.
    #[inline(always)]
    fn horizon(&self, load: &LoadCells<MapCell>) -> u64 {
        let (delta, min, max) = (self.uplink.delta_ns, self.uplink.horizon_min_ns, self.uplink.horizon_max_ns);
        load::horizon(load.load.get(), load.steady.get(), delta.into(), min.into(), max.into())
    }

    /// What a packet of this tier is held against on a link of this rate.
    #[inline(always)]
    fn request(
        &self,
        tier: &TierConfig,
        clocks: *mut TierState,
        pod: Booking<MapCell>,
        link: Cost,
        horizon: u64,
    ) -> Request<MapCell, Ahead> {
        // SAFETY: fields of map values that were just looked up.
        let (clock, guarantee, ceiling) = unsafe {
            (
                MapCell::new(&raw mut (*self.state).clock),
                MapCell::new(&raw mut (*clocks).guarantee),
                MapCell::new(&raw mut (*clocks).ceiling),
            )
        };
        Request {
            now: self.now,
            link: self.booking(clock, link),
            share: self.share(link),
            guarantee: self.booking(guarantee, tier.guarantee),
            tier: self.booking(ceiling, tier.ceiling),
            pod,
            burst: u64::from(self.uplink.burst_ns),
            horizon,
            room: self.uplink.room_bytes,
            reserve: self.reserve(),
            zero: self.zero,
        }
    }

    /// The packet on the clock of bulk alone: no limit if nothing is steady and nothing is booked there any more. As long
    /// as something is, packets must not be stamped earlier than those before them.
    #[inline(always)]
    fn share(&self, link: Cost) -> Booking<MapCell> {
        // SAFETY: fields of a map value that was just looked up.
        let (clock, stretch) =
            unsafe { (MapCell::new(&raw mut (*self.state).bulk), MapCell::new(&raw mut (*self.state).stretch)) };
        let stretch = stretch.get();
        let time = time_on_link(self.line_len, link);
        let cost = if stretch == 0 && clock.get() <= self.now { 0 } else { link };
        Booking { clock, time: time + ((time * stretch) >> LOAD_SHIFT), cost }
    }

    /// What ceilings may schedule beyond the horizon: nothing where a packet cannot wait.
    #[inline(always)]
    fn reserve(&self) -> Reserve<Ahead> {
        Reserve {
            account: Ahead::of(self.uplink_id, self.state),
            limit: if self.polices() { 0 } else { u64::from(self.uplink.reserve_ns) },
            time: time_on_link(self.line_len, self.uplink.capacity),
        }
    }

    /// Decides on a packet, marks, stamps and counts it for its pod.
    #[inline(always)]
    fn obey(&self, request: &Request<MapCell, Ahead>, slot: u16) -> Obeyed {
        let polices = self.polices();
        let socket = self.packet.departure();
        let Decision::At { departure, late, beyond } = request.decide() else {
            let exit = if polices { Exit::DropPoliced } else { Exit::DropHorizon };
            count::of_pod(slot, |count| count.dropped[drop_reason(exit) as usize] += 1);
            return Obeyed { exit, wait: 0 };
        };
        let mut wait = 0;
        if !polices {
            self.packet.set_departure(departure);
            // Read back, it is unknown to the kernel's verifier, which otherwise walks every way to it by itself.
            let departure = self.packet.departure();
            wait = departure.saturating_sub(self.now);
            if beyond {
                request.reserve.enter(departure);
            }
            // What the packet's own socket asks for is a wish: it leaves no earlier, and waits for itself alone.
            if socket > departure {
                self.packet.set_departure(socket);
            }
        }
        let marked = late && self.packet.set_ce();
        count::of_pod(slot, |count| {
            count::passed(count, self.wire_len);
            count.marked += u64::from(marked);
        });
        Obeyed { exit: if marked { Exit::Marked } else { Exit::Paced }, wait }
    }

    /// Whether packets cannot wait here and are dropped instead.
    #[inline(always)]
    fn polices(&self) -> bool {
        // SAFETY: a map value. Read anew each time: see `Zero`.
        unsafe { (&raw const self.uplink.flags).read_volatile() & UPLINK_POLICE != 0 }
    }
}

#[inline(always)]
fn drop_reason(exit: Exit) -> DropReason {
    if matches!(exit, Exit::DropPoliced) { DropReason::Policed } else { DropReason::Horizon }
}
