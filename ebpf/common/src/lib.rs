//! What the kernel programs and the agent both know: the layout of every map value, the names and sizes of the maps,
//! and the reasons for which a program ends.
//!
//! Every type here is `repr(C)` without padding, so that its bytes are the same on both sides; a test holds each size.
//! A change of any layout changes [`ABI`], which names the folder that maps and links are pinned in.
#![no_std]

pub mod config;
pub mod counters;
pub mod identity;
pub mod limits;
pub mod maps;
pub mod near;
pub mod reason;
pub mod split;
pub mod state;
pub mod tag;
pub mod units;

/// Version of the layouts in this crate; the last component of the pin folder (`/sys/fs/bpf/weir/v2`).
pub const ABI: &str = "v2";
