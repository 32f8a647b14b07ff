//! What the load rung shares: a BPF file system of its own, and frames that are made up.
//!
//! Every test needs root and fails without it, saying so.
#![forbid(unsafe_code)]

pub mod bpffs;
pub mod frame;
