//! Uplink NIC, egress: paces what belongs to a tier, passes the rest, and books both on the link's clock.

use aya_ebpf::{
    bindings::{TC_ACT_REDIRECT, TC_ACT_SHOT},
    helpers::generated::bpf_ktime_get_ns,
    macros::classifier,
    maps::lpm_trie::Key,
    programs::TcContext,
};
use weir_common::{
    config::{
        DSCP_KEEP, EXEMPT_PREFIX, ExemptV4, ExemptV6, InterfaceConfig, POD_TIERED, PodConfig, TierConfig, UPLINK_LINE,
        UPLINK_POLICE, UPLINKS as UPLINK_PLACES, UplinkConfig,
    },
    counters::{Class, Unknown, delay_bucket},
    reason::{DropReason, Exit, Program},
    state::{TierState, UplinkState},
    units::{Cost, time_on_link},
};
use weir_ebpf::{
    cell::Cell,
    clock::{Bounds, book},
    exempt::{self, Answer},
    line::line_len,
    load::{LOAD_SHIFT, LoadCells, close_window},
    pacing::{Booking, Decision, LINK_LEAD_NS, Request},
    reserve::Reserve,
};

use crate::{
    count,
    maps::{
        Ahead, EXEMPT_NEAR, EXEMPT_V4, EXEMPT_V6, MapCell, POD_STATE, PODS, SAMPLES, TIER_STATE, TIERS, UPLINK_STATE,
        UPLINKS, count_exit, interface,
    },
    packet::{Destination, NEXT_PROGRAM, Packet},
    sender::Sender,
    split,
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
        Exit::Split => TC_ACT_REDIRECT,
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
        | Exit::NoPod
        | Exit::DropNoPort => NEXT_PROGRAM,
    }
}

/// The packet, where it leaves, and when it came.
struct Leaving<'a> {
    packet: Packet,
    /// The interface's number where bursts are split, or 0.
    port: u8,
    uplink_id: u16,
    uplink: &'a UplinkConfig,
    state: *mut UplinkState,
    /// Length as an Ethernet frame: what is counted.
    wire_len: u32,
    /// Length on the line: what is booked.
    line_len: u32,
    now: u64,
    /// It comes from being split.
    returned: bool,
}

/// What became of a packet that waits for clocks.
struct Obeyed {
    exit: Exit,
    /// How long it waits, in ns.
    wait: u64,
}

#[inline(always)]
fn shape(ctx: &TcContext) -> Exit {
    // SAFETY: read of the context's own field.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    let Some(&InterfaceConfig { uplink: uplink_id, l2_len, flags, port, .. }) = interface(ifindex) else {
        return Exit::UnknownInterface;
    };
    let packet = Packet::new(ctx, l2_len);
    let returning = split::returning(&packet);
    let (Some(uplink), Some(state)) =
        (UPLINKS.get(u32::from(uplink_id)), UPLINK_STATE.get_ptr_mut(u32::from(uplink_id)))
    else {
        return Exit::NoMapValue;
    };
    let wire_len = packet.wire_len();
    let line_len = if uplink.flags & UPLINK_LINE != 0 { line_len(uplink, &packet.lengths()) } else { wire_len };
    let line_len = blur(state, line_len.into()) as u32;
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
    let sender = match returning {
        Some(slot) => Sender::Pod(slot),
        None => Sender::of(&packet, flags, uplink.cgroup_levels),
    };
    let returned = returning.is_some();
    let leaving = Leaving { packet, port, uplink_id, uplink, state, wire_len, line_len, now, returned };
    match sender {
        Sender::Pod(slot) => leaving.of_pod(leaving.blur(slot.into()) as u16),
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
        // In this form the verifier sees that it is within the bounds.
        let place = usize::from(self.uplink_id) & (UPLINK_PLACES - 1);
        // SAFETY: element of an array in a map value that was just looked up; `place` is below its length.
        let clock = unsafe { MapCell::new((&raw mut (*state).ceilings).cast::<u64>().add(place)) };
        let ceiling = self.booking(clock, pod.ceilings[place]);
        let id = pod.tiers[place];
        let is_tier = id != NO_TIER && TIERS.get(u32::from(id)).is_some_and(|tier| tier.uplink == self.uplink_id);
        let id = if is_tier { id } else { NO_TIER };
        if id == NO_TIER && ceiling.cost == 0 {
            self.count_untiered(slot, pod);
            count::of_pod(slot, |count| count::passed(count, self.wire_len));
            return self.interactive();
        }
        self.limited(slot, pod, self.blur(id.into()) as u16, ceiling)
    }

    /// Counts apart what a pod of some tier sends without one.
    #[inline(always)]
    fn count_untiered(&self, slot: u16, pod: &PodConfig) {
        if pod.flags & POD_TIERED != 0 {
            count::of_pod(slot, |count| {
                count.untiered_bytes += u64::from(self.wire_len);
                count.untiered_uplink = u64::from(self.uplink_id);
            });
        }
    }

    /// Sends a burst to be split that would keep others waiting for more than δ. One that comes back whole, because
    /// somebody has changed the veth, leaves as it is: it would come back again.
    #[inline(always)]
    fn is_split(&self, slot: u16) -> bool {
        self.uplink.splitter != 0
            && !self.returned
            && self.port != 0
            && self.packet.is_burst()
            && time_on_link(self.line_len, self.uplink.capacity) > u64::from(self.uplink.delta_ns)
            && split::send(&self.packet, self.uplink.splitter, self.port, slot)
    }

    /// A packet of an unknown sender: interactive. If it is a pod's after all, its sample says so.
    #[inline(always)]
    fn of_nobody(&self, why: Unknown) -> Exit {
        count::of_uplink(self.uplink_id, |count| count.unknown_bytes[why as usize] += u64::from(self.wire_len));
        if let Some(traits) = self.packet.traits() {
            let fingerprint = traits.fingerprint();
            // SAFETY: the value is copied.
            if let Some(&slot) = unsafe { SAMPLES.get(&fingerprint) } {
                // One sample is one packet.
                let _ = SAMPLES.remove(&fingerprint);
                count::of_pod(slot as u16, |count| count.lost_samples += 1);
            }
        }
        self.interactive()
    }

    /// A packet that waits for clocks: bulk of a tier, or of a pod without one, interactive but for its own ceiling.
    #[inline(always)]
    fn limited(&self, slot: u16, pod: &PodConfig, id: u16, ceiling: Booking<MapCell>) -> Exit {
        if self.is_split(slot) {
            return Exit::Split;
        }
        let (Some(tier), Some(clocks)) = (TIERS.get(u32::from(id)), TIER_STATE.get_ptr_mut(u32::from(id))) else {
            return Exit::NoMapValue;
        };
        self.reserve().clear(self.now);
        let (mut link, mut horizon) = (0, u64::from(self.uplink.horizon_max_ns));
        // Without `fq` a packet cannot wait for the link: only ceilings are held.
        if id != NO_TIER && !self.polices() {
            (link, horizon) = (self.uplink.capacity, self.horizon());
        }
        let request = self.request(tier, clocks, ceiling, self.blur(link), self.blur(horizon));
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
            count.delay[delay_bucket(wait) & (weir_common::counters::DELAY_BUCKETS - 1)] += 1;
        });
        exit
    }

    /// How far ahead the link may be booked, as the load is now.
    #[inline(always)]
    fn horizon(&self) -> u64 {
        let load = self.load();
        close_window(&load, self.now);
        let (delta, min, max) = (self.uplink.delta_ns, self.uplink.horizon_min_ns, self.uplink.horizon_max_ns);
        weir_ebpf::load::horizon(load.load.get(), load.steady.get(), delta.into(), min.into(), max.into())
    }

    /// The same number, unknown to the kernel's verifier, which otherwise walks what follows for each way to it by itself.
    #[inline(always)]
    fn blur(&self, number: u64) -> u64 {
        blur(self.state, number)
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
            // SAFETY: as above.
            zero: unsafe { MapCell::new(&raw mut (*self.state).zero) },
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

    #[inline(always)]
    fn booking(&self, clock: MapCell, cost: Cost) -> Booking<MapCell> {
        Booking { clock, time: time_on_link(self.line_len, cost), cost }
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
        // SAFETY: a map value. Read anew each time: see `Request::zero`.
        unsafe { (&raw const self.uplink.flags).read_volatile() & UPLINK_POLICE != 0 }
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
        let time = time_on_link(self.line_len, self.uplink.capacity);
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

/// See [`Leaving::blur`] and [`Request::zero`].
#[inline(always)]
fn blur(state: *const UplinkState, number: u64) -> u64 {
    // SAFETY: field of a map value that was just looked up.
    number ^ unsafe { (&raw const (*state).zero).read_volatile() }
}

/// The id of what has no limits: pods in no tier have it.
const NO_TIER: u16 = 0;
