//! Bridges (and VRFs) on the way of a pod's packet: they put themselves in the place of the pod's interface.

use aya_ebpf::{macros::classifier, programs::TcContext};
use weir_common::{
    identity::Handoff,
    reason::{Exit, Program},
};

use crate::{
    maps::{HANDOFF, count_exit, interface},
    packet::{NEXT_PROGRAM, Packet},
    sender::{self, Sender},
};

/// A bridge or VRF of pods, ingress: writes the slot of the sending pod into packets that have lost it on the way, for
/// example in the ifb of the CNI bandwidth plugin. The source address is not translated here yet.
#[classifier]
pub(crate) fn bridge_rx(ctx: TcContext) -> i32 {
    verdict(&ctx)
}

/// Writes the slot, and counts the way out.
#[inline(always)]
pub(crate) fn verdict(ctx: &TcContext) -> i32 {
    count_exit(Program::BridgeRx, tag_again(ctx));
    NEXT_PROGRAM
}

#[inline(always)]
fn tag_again(ctx: &TcContext) -> Exit {
    // SAFETY: read of the context's own field.
    let Some(entry) = interface(unsafe { (*ctx.skb.skb).ifindex }) else {
        return Exit::UnknownInterface;
    };
    let packet = Packet::new(ctx, entry.l2_len);
    // What stands there may be another program's number.
    if let Some(slot) = sender::slot_of_source(&packet) {
        packet.set_tag(slot);
        return Exit::Tagged;
    }
    if sender::tag(&packet).is_some() { Exit::Tagged } else { Exit::NoPod }
}

/// The bridge whose port is an uplink's interface, egress: hands the sending pod over to `uplink_tx` at the port, because
/// transmission through the bridge overwrites `queue_mapping`.
#[classifier]
pub(crate) fn bridge_tx(ctx: TcContext) -> i32 {
    count_exit(Program::BridgeTx, hand_over(&ctx));
    NEXT_PROGRAM
}

#[inline(always)]
fn hand_over(ctx: &TcContext) -> Exit {
    // SAFETY: read of the context's own field.
    let Some(entry) = interface(unsafe { (*ctx.skb.skb).ifindex }) else {
        return Exit::UnknownInterface;
    };
    let packet = Packet::new(ctx, entry.l2_len);
    let Some(handed) = HANDOFF.get_ptr_mut(0) else {
        return Exit::NoMapValue;
    };
    let slot = match Sender::of(&packet, 0, 0) {
        Sender::Pod(slot) => u32::from(slot),
        Sender::Node | Sender::Unknown(_) => 0,
    };
    let handoff = Handoff { slot, hash: packet.hash(), ingress: packet.ingress() };
    // SAFETY: a per-CPU value; see `maps::count_exit`.
    unsafe { *handed = handoff };
    if slot == 0 { Exit::NoPod } else { Exit::Tagged }
}
