//! Uplink NIC, egress: paces what belongs to a tier, passes the rest, and books both on the link's clock.

use aya_ebpf::{
    bindings::TC_ACT_SHOT, helpers::generated::bpf_ktime_get_ns, macros::classifier, maps::lpm_trie::Key,
    programs::TcContext,
};
use weir_common::{
    config::{
        DSCP_KEEP, EXEMPT_PREFIX, ExemptV4, ExemptV6, InterfaceConfig, POD_TIERED, PodConfig, TierConfig, UPLINK_POLICE,
        UPLINKS as UPLINK_PLACES, UplinkConfig,
    },
    counters::{Class, Unknown, delay_bucket},
    reason::{DropReason, Exit, Program},
    state::UplinkState,
    units::time_on_link,
};
use weir_ebpf::{
    cell::Cell,
    clock::{Bounds, book},
    exempt::{self, Answer},
    load::{LOAD_SHIFT, LoadCells, close_window},
    pacing::{Booking, Decision, LINK_LEAD_NS, Request},
};

use crate::{
    count,
    maps::{
        EXEMPT_NEAR, EXEMPT_V4, EXEMPT_V6, MapCell, POD_STATE, PODS, SAMPLES, TIER_STATE, TIERS, UPLINK_STATE, UPLINKS,
        count_exit, interface,
    },
    packet::{Destination, NEXT_PROGRAM, Packet},
    sender::Sender,
};

/// Paces or passes a packet that is about to leave by the uplink's NIC.
#[classifier]
pub(crate) fn uplink_tx(ctx: TcContext) -> i32 {
    verdict(&ctx)
}

/// Shapes, counts the way out, and turns it into a verdict.
#[inline(always)]
pub(crate) fn verdict(ctx: &TcContext) -> i32 {
    let exit = shape(ctx);
    count_exit(Program::UplinkTx, exit);
    match exit {
        Exit::DropHorizon | Exit::DropPoliced => TC_ACT_SHOT,
        Exit::Counted
        | Exit::UnknownInterface
        | Exit::NotIp
        | Exit::Short
        | Exit::Exempt
        | Exit::Interactive
        | Exit::Paced
        | Exit::Marked
        | Exit::NoMapValue
        | Exit::Tagged
        | Exit::NoPod => NEXT_PROGRAM,
    }
}

/// The packet, where it leaves, and when it came.
struct Leaving<'a> {
    packet: Packet,
    uplink_id: u16,
    uplink: &'a UplinkConfig,
    state: *mut UplinkState,
    wire_len: u32,
    now: u64,
}

#[inline(always)]
fn shape(ctx: &TcContext) -> Exit {
    // SAFETY: read of the context's own field.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    let Some(&InterfaceConfig { uplink: uplink_id, l2_len, flags, .. }) = interface(ifindex) else {
        return Exit::UnknownInterface;
    };
    let packet = Packet::new(ctx, l2_len);
    let (Some(uplink), Some(state)) =
        (UPLINKS.get(u32::from(uplink_id)), UPLINK_STATE.get_ptr_mut(u32::from(uplink_id)))
    else {
        return Exit::NoMapValue;
    };
    let wire_len = packet.wire_len();
    match is_exempt(packet.destination(), uplink_id) {
        Err(exit) => return exit,
        Ok(true) => {
            count::class(uplink_id, Class::Exempt, wire_len);
            return Exit::Exempt;
        }
        Ok(false) => {}
    }
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let sender = Sender::of(&packet, flags, uplink.cgroup_levels);
    let leaving = Leaving { packet, uplink_id, uplink, state, wire_len, now };
    match sender {
        Sender::Pod(slot) => leaving.of_pod(slot),
        Sender::Node => leaving.interactive(),
        Sender::Unknown(why) => leaving.of_nobody(why),
    }
}

impl Leaving<'_> {
    #[inline(always)]
    fn of_pod(&self, slot: u16) -> Exit {
        let (Some(pod), Some(state)) = (PODS.get(u32::from(slot)), POD_STATE.get_ptr_mut(u32::from(slot))) else {
            return Exit::NoMapValue;
        };
        let place = self.place();
        // SAFETY: element of an array in a map value that was just looked up; `place` is below its length.
        let pod_clock = unsafe { MapCell::new((&raw mut (*state).ceilings).cast::<u64>().add(place)) };
        let pod_booking = booking(pod_clock, pod.ceilings[place], self.wire_len);
        let Some((tier_id, tier)) = self.tier_of(pod) else {
            return self.limited_alone(slot, pod, pod_booking);
        };
        self.of_tier(slot, tier_id, tier, pod_booking)
    }

    /// The uplink's place in arrays that are indexed by uplink ids.
    #[inline(always)]
    fn place(&self) -> usize {
        // In this form the verifier sees that it is within the bounds.
        usize::from(self.uplink_id) & (UPLINK_PLACES - 1)
    }

    /// The pod's tier, if it has one on this uplink.
    #[inline(always)]
    fn tier_of(&self, pod: &PodConfig) -> Option<(u16, &'static TierConfig)> {
        let id = pod.tiers[self.place()];
        if id == 0 {
            return None;
        }
        let tier = TIERS.get(u32::from(id))?;
        if tier.uplink == self.uplink_id { Some((id, tier)) } else { None }
    }

    /// A pod without a tier on this uplink: interactive, but for its own ceiling.
    #[inline(always)]
    fn limited_alone(&self, slot: u16, pod: &PodConfig, ceiling: Option<Booking<MapCell>>) -> Exit {
        if pod.flags & POD_TIERED != 0 {
            count::of_pod(slot, |count| {
                count.untiered_bytes += u64::from(self.wire_len);
                count.untiered_uplink = u64::from(self.uplink_id);
            });
        }
        if ceiling.is_none() {
            count::of_pod(slot, |count| count::passed(count, self.wire_len));
            return self.interactive();
        }
        let horizon = u64::from(self.uplink.horizon_max_ns);
        let request = self.request(None, None, None, None, ceiling, horizon);
        let exit = self.obey(&request, slot);
        if !exit.is_drop() {
            self.book_interactive();
            count::class(self.uplink_id, Class::Interactive, self.wire_len);
        }
        exit
    }

    /// A packet of an unknown sender: interactive. If it is a pod's after all, its sample says so.
    #[inline(always)]
    fn of_nobody(&self, why: Unknown) -> Exit {
        count::of_uplink(self.uplink_id, |count| count.unknown_bytes[why as usize] += u64::from(self.wire_len));
        if let Some(traits) = self.packet.traits() {
            // SAFETY: the value is copied.
            if let Some(&slot) = unsafe { SAMPLES.get(&traits.fingerprint()) } {
                count::of_pod(slot as u16, |count| count.lost_samples += 1);
            }
        }
        self.interactive()
    }

    #[inline(always)]
    fn of_tier(&self, slot: u16, tier_id: u16, tier: &TierConfig, pod: Option<Booking<MapCell>>) -> Exit {
        let Some(clocks) = TIER_STATE.get_ptr_mut(u32::from(tier_id)) else {
            return Exit::NoMapValue;
        };
        let load = self.load();
        close_window(&load, self.now);
        let (delta, min, max) = (self.uplink.delta_ns, self.uplink.horizon_min_ns, self.uplink.horizon_max_ns);
        let horizon = if self.polices() {
            u64::from(max)
        } else {
            weir_ebpf::load::horizon(load.load.get(), load.steady.get(), delta.into(), min.into(), max.into())
        };
        // SAFETY: fields of map values that were just looked up.
        let (link, guarantee, ceiling) = unsafe {
            (
                MapCell::new(&raw mut (*self.state).clock),
                MapCell::new(&raw mut (*clocks).guarantee),
                MapCell::new(&raw mut (*clocks).ceiling),
            )
        };
        let request = self.request(
            booking(link, self.uplink.capacity, self.wire_len),
            self.share(),
            booking(guarantee, tier.guarantee, self.wire_len),
            booking(ceiling, tier.ceiling, self.wire_len),
            pod,
            horizon,
        );
        let exit = self.obey(&request, slot);
        if exit.is_drop() {
            count::of_tier(tier_id, |count| {
                count.dropped_bytes += u64::from(self.wire_len);
                count.dropped[drop_reason(exit) as usize] += 1;
            });
            return exit;
        }
        if tier.dscp != DSCP_KEEP {
            self.packet.set_dscp(tier.dscp);
        }
        count::class(self.uplink_id, Class::Bulk, self.wire_len);
        let departure = self.packet.departure();
        let delay = if departure > self.now { departure - self.now } else { 0 };
        count::of_tier(tier_id, |count| {
            count.bytes += u64::from(self.wire_len);
            count.packets += 1;
            count.marked += u64::from(matches!(exit, Exit::Marked));
            count.delay_sum_ns += delay;
            count.delay[delay_bucket(delay) & (weir_common::counters::DELAY_BUCKETS - 1)] += 1;
        });
        exit
    }

    /// The packet on the clock of bulk alone. None if nothing is steady and nothing is booked there any more; as long
    /// as something is, packets must not be stamped earlier than those before them.
    #[inline(always)]
    fn share(&self) -> Option<Booking<MapCell>> {
        // SAFETY: fields of a map value that was just looked up.
        let (clock, stretch) =
            unsafe { (MapCell::new(&raw mut (*self.state).bulk), MapCell::new(&raw mut (*self.state).stretch)) };
        let stretch = stretch.get();
        if stretch == 0 && clock.get() <= self.now {
            return None;
        }
        let time = time_on_link(self.wire_len, self.uplink.capacity);
        Some(Booking { clock, time: time + ((time * stretch) >> LOAD_SHIFT) })
    }

    #[inline(always)]
    fn request(
        &self,
        link: Option<Booking<MapCell>>,
        share: Option<Booking<MapCell>>,
        guarantee: Option<Booking<MapCell>>,
        tier: Option<Booking<MapCell>>,
        pod: Option<Booking<MapCell>>,
        horizon: u64,
    ) -> Request<MapCell> {
        Request {
            now: self.now,
            socket: self.packet.departure(),
            // Without `fq` a packet cannot wait for the link: only ceilings are held.
            link: if self.polices() { None } else { link },
            share,
            guarantee,
            tier,
            pod,
            burst: u64::from(self.uplink.burst_ns),
            horizon,
        }
    }

    /// Decides on a packet, marks, stamps and counts it for its pod.
    #[inline(always)]
    fn obey(&self, request: &Request<MapCell>, slot: u16) -> Exit {
        let polices = self.polices();
        let Decision::At(at) = request.decide() else {
            let exit = if polices { Exit::DropPoliced } else { Exit::DropHorizon };
            count::of_pod(slot, |count| count.dropped[drop_reason(exit) as usize] += 1);
            return exit;
        };
        if !polices {
            self.packet.set_departure(at);
        }
        let marked = at - self.now > request.horizon / 2 && self.packet.set_ce();
        count::of_pod(slot, |count| {
            count::passed(count, self.wire_len);
            count.marked += u64::from(marked);
        });
        if marked { Exit::Marked } else { Exit::Paced }
    }

    /// Whether packets cannot wait here and are dropped instead.
    #[inline(always)]
    fn polices(&self) -> bool {
        self.uplink.flags & UPLINK_POLICE != 0
    }

    /// Passes at once; the link's clock knows that the time is taken.
    #[inline(always)]
    fn interactive(&self) -> Exit {
        self.book_interactive();
        count::class(self.uplink_id, Class::Interactive, self.wire_len);
        Exit::Interactive
    }

    #[inline(always)]
    fn book_interactive(&self) {
        let time = time_on_link(self.wire_len, self.uplink.capacity);
        // SAFETY: field of a map value that was just looked up.
        let clock = unsafe { MapCell::new(&raw mut (*self.state).clock) };
        book(&clock, self.now, Bounds { burst: self.uplink.burst_ns.into(), lead: LINK_LEAD_NS }, time);
        let load = self.load();
        load.busy.add(time);
        close_window(&load, self.now);
    }

    #[inline(always)]
    fn load(&self) -> LoadCells<MapCell> {
        // SAFETY: fields of a map value that was just looked up.
        unsafe {
            LoadCells {
                start: MapCell::new(&raw mut (*self.state).window_start),
                busy: MapCell::new(&raw mut (*self.state).window_busy),
                load: MapCell::new(&raw mut (*self.state).load),
                steady: MapCell::new(&raw mut (*self.state).steady),
                stretch: MapCell::new(&raw mut (*self.state).stretch),
            }
        }
    }
}

#[inline(always)]
fn booking(clock: MapCell, cost: u64, wire_len: u32) -> Option<Booking<MapCell>> {
    if cost == 0 { None } else { Some(Booking { clock, time: time_on_link(wire_len, cost) }) }
}

#[inline(always)]
fn is_exempt(destination: Destination, uplink: u16) -> Result<bool, Exit> {
    let Some(near) = EXEMPT_NEAR.get(u32::from(uplink)) else {
        return Err(Exit::NoMapValue);
    };
    let id = u32::from(uplink).to_be_bytes();
    let answer = match destination {
        Destination::V4(address) => exempt::v4(near, address),
        Destination::V6(address) => exempt::v6(near, address),
        Destination::NotIp => return Err(Exit::NotIp),
        Destination::Short => return Err(Exit::Short),
    };
    Ok(match (answer, destination) {
        (Answer::AskTrie, Destination::V4(network)) => {
            EXEMPT_V4.get(&Key::new(EXEMPT_PREFIX + 32, ExemptV4 { uplink: id, network })).is_some()
        }
        (Answer::AskTrie, Destination::V6(network)) => {
            EXEMPT_V6.get(&Key::new(EXEMPT_PREFIX + 128, ExemptV6 { uplink: id, network })).is_some()
        }
        _ => answer == Answer::Yes,
    })
}

#[inline(always)]
fn drop_reason(exit: Exit) -> DropReason {
    if matches!(exit, Exit::DropPoliced) { DropReason::Policed } else { DropReason::Horizon }
}
