//! What other programs do to packets on the same hooks, for tests: loaded by `tc`, never by Weir.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![allow(missing_docs)]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod programs {
    use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_redirect_neigh};

    /// Lets the next program on the hook run: `TCX_NEXT`, and `TC_ACT_UNSPEC` in clsact's terms.
    const NEXT: i32 = -1;
    /// `TC_ACT_OK`: ends the hook.
    const OK: i32 = 0;
    /// An endpoint's id, as Cilium's bandwidth manager writes one.
    const ENDPOINT: u32 = 1030;

    /// `TC_ACT_SHOT`: drops the packet.
    const SHOT: i32 = 2;

    /// Clears `queue_mapping`, as Cilium does in every packet of a pod.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "zero")]
    fn clears(skb: *mut __sk_buff) -> i32 {
        // SAFETY: the context of a classifier, with a field that it may write.
        unsafe { (*skb).queue_mapping = 0 };
        NEXT
    }

    /// Clears all that a packet can carry a pod's slot in.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "forget")]
    fn forgets(skb: *mut __sk_buff) -> i32 {
        // SAFETY: as above.
        unsafe {
            (*skb).queue_mapping = 0;
            (*skb).tc_index = 0;
        }
        NEXT
    }

    /// Writes an endpoint's id into `queue_mapping`, as Cilium's bandwidth manager does.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "rewrite")]
    fn rewrites(skb: *mut __sk_buff) -> i32 {
        // SAFETY: as above.
        unsafe { (*skb).queue_mapping = ENDPOINT };
        NEXT
    }

    /// Drops what does not carry the endpoint's id any more, as an endpoint's limit would overlook it.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "kept")]
    fn keeps(skb: *mut __sk_buff) -> i32 {
        // SAFETY: as above.
        let value = unsafe { (*skb).queue_mapping };
        if value == ENDPOINT { NEXT } else { SHOT }
    }

    /// Ends the hook: a program behind it is not run.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "end")]
    fn ends(_: *mut __sk_buff) -> i32 {
        OK
    }

    /// Sends the packet out by the interface whose index is its mark, past the node's IP layer.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "neigh")]
    fn redirects(skb: *mut __sk_buff) -> i32 {
        // SAFETY: as above; no parameters are given, so that the neighbour is looked up by the destination.
        unsafe {
            let interface = (*skb).mark;
            if interface == 0 {
                return NEXT;
            }
            bpf_redirect_neigh(interface, core::ptr::null_mut(), 0, 0) as i32
        }
    }
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
