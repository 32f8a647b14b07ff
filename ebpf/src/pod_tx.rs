//! Host side of a pod's veth, ingress: what the pod sends.

use aya_ebpf::{macros::classifier, programs::TcContext};
use weir_common::{
    config::{INTERFACE_SAMPLES, INTERFACE_TAGS},
    limits::SAMPLE_EVERY,
    reason::{Exit, Program},
};

use crate::{
    maps::{POD_TRAFFIC, SAMPLES, count_exit, interface},
    packet::{NEXT_PROGRAM, Packet},
};

/// Counts the packet for its pod. Behind a bridge it writes the pod's slot into it, by which the uplink knows it again.
#[classifier]
pub(crate) fn pod_tx(ctx: TcContext) -> i32 {
    verdict(&ctx)
}

/// Counts the packet and the way out.
#[inline(always)]
pub(crate) fn verdict(ctx: &TcContext) -> i32 {
    count_exit(Program::PodTx, count_and_tag(ctx));
    NEXT_PROGRAM
}

#[inline(always)]
fn count_and_tag(ctx: &TcContext) -> Exit {
    // SAFETY: reads of the context's own fields.
    let (ifindex, len) = unsafe { ((*ctx.skb.skb).ifindex, (*ctx.skb.skb).len) };
    let Some(interface) = interface(ifindex) else {
        return Exit::UnknownInterface;
    };
    let slot = interface.slot;
    let packet = Packet::new(ctx, interface.l2_len);
    if interface.flags & INTERFACE_TAGS != 0 {
        packet.set_tag(slot);
    }
    let Some(traffic) = POD_TRAFFIC.get_ptr_mut(u32::from(slot)) else {
        return Exit::NoMapValue;
    };
    // SAFETY: a per-CPU value; see `count_exit`.
    let number = unsafe {
        (*traffic).tx_bytes += u64::from(len);
        (*traffic).tx_packets += 1;
        (*traffic).tx_packets
    };
    if interface.flags & INTERFACE_SAMPLES != 0 && number % SAMPLE_EVERY == 1 {
        leave_sample(&packet, slot);
    }
    Exit::Counted
}

/// Notes a packet, so that it is recognised if it arrives at an uplink without any sign of its pod.
#[inline(always)]
fn leave_sample(packet: &Packet, slot: u16) {
    if let Some(traits) = packet.traits() {
        // The map makes room by itself; a sample that could not be left is one less.
        let _ = SAMPLES.insert(&traits.fingerprint(), &u32::from(slot), 0);
    }
}
