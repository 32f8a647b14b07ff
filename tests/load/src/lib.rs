//! What the load rung shares: a BPF file system of its own, frames that are made up, and the measurement of what the programs
//! cost.
//!
//! Every test needs root and fails without it, saying so.
#![forbid(unsafe_code)]

pub mod bpffs;
pub mod frame;
pub mod packet_bench;
