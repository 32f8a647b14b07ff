//! The kernel programs. On the host this is an empty program, so that the workspace builds as one.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics), allow(internal_features))]
#![allow(clippy::inline_always, missing_docs)]

#[cfg(target_arch = "bpf")]
mod bridge;
#[cfg(target_arch = "bpf")]
mod count;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod packet;
#[cfg(target_arch = "bpf")]
mod pod_rx;
#[cfg(target_arch = "bpf")]
mod pod_tx;
#[cfg(target_arch = "bpf")]
mod sender;
#[cfg(target_arch = "bpf")]
mod split;
#[cfg(target_arch = "bpf")]
mod test_only;
#[cfg(target_arch = "bpf")]
mod uplink_tx;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers (`bpf_skb_ecn_set_ce`, `bpf_ktime_get_coarse_ns`) are for programs under the GPL.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
