//! Host side of a pod's veth, ingress: what the pod sends.

use aya_ebpf::{macros::classifier, programs::TcContext};
use weir_common::{
    reason::{Exit, Program},
    tag::tag_of_slot,
};

use crate::{
    maps::{POD_TRAFFIC, count_exit, interface},
    packet::{NEXT_PROGRAM, Packet},
};

/// Counts the packet for its pod and writes the pod's slot into it, by which the uplink knows it again.
#[classifier]
pub(crate) fn pod_tx(ctx: TcContext) -> i32 {
    count_exit(Program::PodTx, count_and_tag(&ctx));
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
    Packet::new(ctx, interface.l2_len).set_queue_mapping(tag_of_slot(slot));
    let Some(traffic) = POD_TRAFFIC.get_ptr_mut(u32::from(slot)) else {
        return Exit::NoMapValue;
    };
    // SAFETY: a per-CPU value; see `count_exit`.
    unsafe {
        (*traffic).tx_bytes += u64::from(len);
        (*traffic).tx_packets += 1;
    }
    Exit::Counted
}
