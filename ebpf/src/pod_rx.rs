//! Host side of a pod's veth, egress: what the pod receives.

use aya_ebpf::{macros::classifier, programs::TcContext};
use weir_common::reason::{Exit, Program};

use crate::{
    maps::{POD_TRAFFIC, count_exit, interface},
    packet::NEXT_PROGRAM,
};

/// Counts the packet for its pod.
#[classifier]
pub(crate) fn pod_rx(ctx: TcContext) -> i32 {
    count_exit(Program::PodRx, count(&ctx));
    NEXT_PROGRAM
}

#[inline(always)]
fn count(ctx: &TcContext) -> Exit {
    // SAFETY: reads of the context's own fields.
    let (ifindex, len) = unsafe { ((*ctx.skb.skb).ifindex, (*ctx.skb.skb).len) };
    let Some(interface) = interface(ifindex) else {
        return Exit::UnknownInterface;
    };
    let Some(traffic) = POD_TRAFFIC.get_ptr_mut(u32::from(interface.slot)) else {
        return Exit::NoMapValue;
    };
    // SAFETY: a per-CPU value; see `count_exit`.
    unsafe {
        (*traffic).rx_bytes += u64::from(len);
        (*traffic).rx_packets += 1;
    }
    Exit::Counted
}
