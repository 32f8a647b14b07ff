//! The sums of the kernel programs, free of any kernel call: they compile on the host too, where they are tested.
#![cfg_attr(target_arch = "bpf", no_std)]
// A BPF program is one function: what is not inlined costs a call or fails to verify.
#![allow(clippy::inline_always)]

pub mod cell;
pub mod clock;
pub mod dscp;
pub mod exempt;
pub mod line;
pub mod load;
pub mod pacing;
pub mod reserve;
pub mod verifier;
