//! The measurement of `cargo xtask bench packet`.

mod cases;
mod fixture;
mod htb;
mod median;
mod programs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Measures everything so often and returns the medians, as `packet-bench` prints them.
///
/// # Errors
/// When a program or a queueing discipline cannot be set up, and when packets of a case leave by another way than its own.
pub fn measure(rounds: u32) -> Result<Value> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's release")?;
    eprintln!("measuring the programs, {rounds} rounds");
    let programs = programs::measure(rounds)?;
    eprintln!("measuring HTB, {rounds} rounds");
    let htb = htb::measure(rounds)?;
    Ok(json!({
        "kernel": kernel.trim(),
        "rounds": rounds,
        "programs": programs,
        "htb_added_ns": htb.over_pfifo_ns,
        "htb_over_no_queue_ns": htb.over_no_queue_ns,
    }))
}
