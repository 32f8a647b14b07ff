//! Uplink NIC, egress: paces what belongs to a tier, passes the rest, and books both on the link's clock.

mod limited;

use aya_ebpf::{
    bindings::{TC_ACT_REDIRECT, TC_ACT_SHOT},
    helpers::generated::bpf_ktime_get_ns,
    macros::classifier,
    maps::lpm_trie::Key,
    programs::TcContext,
};
use weir_common::{
    config::{
        EXEMPT_PREFIX, ExemptV4, ExemptV6, InterfaceConfig, POD_TIERED, PodConfig, UPLINK_LINE,
        UPLINKS as UPLINK_PLACES, UplinkConfig,
    },
    counters::{Class, Unknown},
    reason::{Exit, Program},
    state::UplinkState,
    units::{Cost, time_on_link},
};
use weir_ebpf::{
    cell::Cell,
    clock::{Bounds, book},
    exempt::{self, Answer},
    line::line_len,
    load::{LoadCells, close_window},
    pacing::{Booking, LINK_LEAD_NS},
    verifier::Zero,
};

use crate::{
    count,
    maps::{
        EXEMPT_NEAR, EXEMPT_V4, EXEMPT_V6, MapCell, POD_STATE, PODS, SAMPLES, TIERS, UPLINK_STATE, UPLINKS, count_exit,
        interface,
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
    zero: Zero<MapCell>,
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
    // SAFETY: field of a map value that was just looked up.
    let zero = Zero(unsafe { MapCell::new(&raw mut (*state).zero) });
    let line_len = zero.blur(line_len.into()) as u32;
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
    let leaving = Leaving { packet, port, uplink_id, uplink, state, wire_len, line_len, now, returned, zero };
    match sender {
        Sender::Pod(slot) => leaving.of_pod(zero.blur(slot.into()) as u16),
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
        let id = self.zero.blur(id.into()) as u16;
        // SAFETY: field of a map value that was just looked up.
        let splits = unsafe { MapCell::new(&raw mut (*state).splits_until) };
        if self.is_split(slot, &splits) {
            return Exit::Split;
        }
        self.limited(slot, pod, id, ceiling)
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

    #[inline(always)]
    fn booking(&self, clock: MapCell, cost: Cost) -> Booking<MapCell> {
        Booking { clock, time: time_on_link(self.line_len, cost), cost }
    }

    /// Passes at once; the link's clock knows that the time is taken.
    #[inline(always)]
    fn interactive(&self) -> Exit {
        let time = time_on_link(self.line_len, self.uplink.capacity);
        // SAFETY: field of a map value that was just looked up.
        let clock = unsafe { MapCell::new(&raw mut (*self.state).clock) };
        book(&clock, self.now, Bounds { burst: self.uplink.burst_ns.into(), lead: LINK_LEAD_NS }, time);
        let load = self.load();
        load.busy.add(time);
        close_window(&load, self.now);
        count::class(self.uplink_id, Class::Interactive, self.wire_len);
        Exit::Interactive
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

/// The id of what has no limits: pods in no tier have it.
const NO_TIER: u16 = 0;
