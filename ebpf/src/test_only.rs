//! Programs that no agent attaches: `BPF_PROG_TEST_RUN` cannot set `queue_mapping`, so these set it from `mark`.

use aya_ebpf::{macros::classifier, programs::TcContext};

use crate::{bridge, packet::NEXT_PROGRAM, pod_tx, uplink_tx};

/// Sets `queue_mapping` from `mark` and does nothing else: what a run costs besides the program.
#[classifier]
pub(crate) fn empty(ctx: TcContext) -> i32 {
    tag_from_mark(&ctx);
    NEXT_PROGRAM
}

/// `pod_tx` on a packet whose `queue_mapping` is its `mark`, which tells the one that it has afterwards.
#[classifier]
pub(crate) fn pod_tx_marked(ctx: TcContext) -> i32 {
    tag_from_mark(&ctx);
    let verdict = pod_tx::verdict(&ctx);
    mark_from_tag(&ctx);
    verdict
}

/// `bridge_rx`, likewise.
#[classifier]
pub(crate) fn bridge_rx_marked(ctx: TcContext) -> i32 {
    tag_from_mark(&ctx);
    let verdict = bridge::verdict(&ctx);
    mark_from_tag(&ctx);
    verdict
}

/// `uplink_tx` on a packet whose `queue_mapping` is its `mark`.
#[classifier]
pub(crate) fn uplink_tx_marked(ctx: TcContext) -> i32 {
    tag_from_mark(&ctx);
    uplink_tx::verdict(&ctx)
}

#[inline(always)]
fn tag_from_mark(ctx: &TcContext) {
    // SAFETY: reads and writes of the context's own fields.
    unsafe { (*ctx.skb.skb).queue_mapping = (*ctx.skb.skb).mark };
}

#[inline(always)]
fn mark_from_tag(ctx: &TcContext) {
    // SAFETY: as above.
    unsafe { (*ctx.skb.skb).mark = (*ctx.skb.skb).queue_mapping };
}
