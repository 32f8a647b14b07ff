//! Uplink NIC, egress: paces what belongs to a tier, passes the rest, and books both on the link's clock.

use aya_ebpf::{
    bindings::TC_ACT_SHOT,
    helpers::generated::{bpf_ktime_get_ns, bpf_skb_ancestor_cgroup_id},
    macros::classifier,
    maps::lpm_trie::Key,
    programs::TcContext,
};
use weir_common::{
    config::{
        DSCP_KEEP, EXEMPT_PREFIX, ExemptV4, ExemptV6, InterfaceConfig, PodConfig, TierConfig, UPLINK_POLICE,
        UplinkConfig,
    },
    counters::{Class, PodUplink, TierTraffic, delay_bucket},
    limits::MAX_CGROUP_LEVEL,
    reason::{DropReason, Exit, Program},
    state::UplinkState,
    tag::slot_of_tag,
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
    maps::{
        CGROUPS, EXEMPT_NEAR, EXEMPT_V4, EXEMPT_V6, MapCell, POD_STATE, POD_UPLINK, PODS, TIER_STATE, TIER_TRAFFIC,
        TIERS, UPLINK_STATE, UPLINK_TRAFFIC, UPLINKS, count_exit, interface,
    },
    packet::{Destination, NEXT_PROGRAM, Packet},
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
        | Exit::NoMapValue => NEXT_PROGRAM,
    }
}

/// The packet, where it leaves, and when it came.
struct Leaving<'a> {
    ctx: &'a TcContext,
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
    let Some(&InterfaceConfig { uplink: uplink_id, l2_len, .. }) = interface(ifindex) else {
        return Exit::UnknownInterface;
    };
    let packet = Packet::new(ctx, l2_len);
    let tagged = slot_of_tag(packet.queue_mapping());
    if tagged.is_some() {
        packet.set_queue_mapping(0);
    }
    let (Some(uplink), Some(state)) =
        (UPLINKS.get(u32::from(uplink_id)), UPLINK_STATE.get_ptr_mut(u32::from(uplink_id)))
    else {
        return Exit::NoMapValue;
    };
    let wire_len = packet.wire_len();
    match is_exempt(packet.destination(), uplink_id) {
        Err(exit) => return exit,
        Ok(true) => {
            count_class(uplink_id, Class::Exempt, wire_len);
            return Exit::Exempt;
        }
        Ok(false) => {}
    }
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let leaving = Leaving { ctx, packet, uplink_id, uplink, state, wire_len, now };
    let slot = match tagged {
        Some(slot) => slot,
        None => leaving.slot_of_socket(),
    };
    if slot == 0 { leaving.interactive() } else { leaving.of_pod(slot) }
}

impl Leaving<'_> {
    /// Slot of the hostNetwork pod whose socket sent the packet, or 0.
    #[inline(always)]
    fn slot_of_socket(&self) -> u16 {
        let levels = self.uplink.cgroup_levels;
        if levels == 0 {
            return 0;
        }
        for level in 1..=MAX_CGROUP_LEVEL {
            if levels & (1 << level) == 0 {
                continue;
            }
            // SAFETY: helper call with the program's own context; 0 where the packet has no full socket.
            let cgroup = unsafe { bpf_skb_ancestor_cgroup_id(self.ctx.skb.skb, level as i32) };
            // SAFETY: the value is copied.
            if let Some(&slot) = unsafe { CGROUPS.get(&cgroup) } {
                return slot as u16;
            }
        }
        0
    }

    #[inline(always)]
    fn of_pod(&self, slot: u16) -> Exit {
        let (Some(pod), Some(state)) = (PODS.get(u32::from(slot)), POD_STATE.get_ptr_mut(u32::from(slot))) else {
            return Exit::NoMapValue;
        };
        // SAFETY: field of a map value that was just looked up.
        let pod_clock = unsafe { MapCell::new(&raw mut (*state).ceiling) };
        let pod_booking = booking(pod_clock, pod.ceiling, self.wire_len);
        let Some(tier) = self.tier_of(pod) else {
            return self.limited_alone(slot, pod_booking);
        };
        self.of_tier(slot, pod.tier, tier, pod_booking)
    }

    /// The pod's tier, if it has one on this uplink.
    #[inline(always)]
    fn tier_of(&self, pod: &PodConfig) -> Option<&'static TierConfig> {
        if pod.tier == 0 {
            return None;
        }
        TIERS.get(u32::from(pod.tier)).filter(|tier| tier.uplink == self.uplink_id)
    }

    /// A pod without a tier: interactive, but for its own ceiling.
    #[inline(always)]
    fn limited_alone(&self, slot: u16, pod: Option<Booking<MapCell>>) -> Exit {
        if pod.is_none() {
            count_pod(slot, |count| passed(count, self.wire_len));
            return self.interactive();
        }
        let horizon = u64::from(self.uplink.horizon_max_ns);
        let request = self.request(None, None, None, None, pod, horizon);
        let exit = self.obey(&request, slot);
        if !exit.is_drop() {
            self.book_interactive();
            count_class(self.uplink_id, Class::Interactive, self.wire_len);
        }
        exit
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
            count_tier(tier_id, |count| {
                count.dropped_bytes += u64::from(self.wire_len);
                count.dropped[drop_reason(exit) as usize] += 1;
            });
            return exit;
        }
        if tier.dscp != DSCP_KEEP {
            self.packet.set_dscp(tier.dscp);
        }
        count_class(self.uplink_id, Class::Bulk, self.wire_len);
        let departure = self.packet.departure();
        let delay = if departure > self.now { departure - self.now } else { 0 };
        count_tier(tier_id, |count| {
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
            count_pod(slot, |count| count.dropped[drop_reason(exit) as usize] += 1);
            return exit;
        };
        if !polices {
            self.packet.set_departure(at);
        }
        let marked = at - self.now > request.horizon / 2 && self.packet.set_ce();
        count_pod(slot, |count| {
            passed(count, self.wire_len);
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
        count_class(self.uplink_id, Class::Interactive, self.wire_len);
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

#[inline(always)]
fn count_class(uplink: u16, class: Class, wire_len: u32) {
    if let Some(count) = UPLINK_TRAFFIC.get_ptr_mut(u32::from(uplink)) {
        // SAFETY: a per-CPU value; see `count_exit`.
        unsafe {
            (*count).bytes[class as usize] += u64::from(wire_len);
            (*count).packets[class as usize] += 1;
        }
    }
}

#[inline(always)]
fn count_tier(tier: u16, change: impl FnOnce(&mut TierTraffic)) {
    if let Some(count) = TIER_TRAFFIC.get_ptr_mut(u32::from(tier)) {
        // SAFETY: a per-CPU value; see `count_exit`.
        change(unsafe { &mut *count });
    }
}

#[inline(always)]
fn count_pod(slot: u16, change: impl FnOnce(&mut PodUplink)) {
    if let Some(count) = POD_UPLINK.get_ptr_mut(u32::from(slot)) {
        // SAFETY: a per-CPU value; see `count_exit`.
        change(unsafe { &mut *count });
    }
}

#[inline(always)]
fn passed(count: &mut PodUplink, wire_len: u32) {
    count.bytes += u64::from(wire_len);
    count.packets += 1;
}
