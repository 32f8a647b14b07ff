//! `packet-bench`: what each program costs per packet, beside what two-level HTB adds on the same machine.
//!
//! Prints one JSON object. Needs root; works in network and BPF file systems of its own.
#![forbid(unsafe_code)]

mod cases;
mod fixture;
mod htb;
mod median;
mod programs;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;

/// Measures the programs by `BPF_PROG_TEST_RUN`, and HTB by sending packets through it.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

fn main() -> Result<()> {
    let Arguments { rounds } = Arguments::parse();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's release")?;
    eprintln!("measuring the programs, {rounds} rounds");
    let programs = programs::measure(rounds)?;
    eprintln!("measuring HTB, {rounds} rounds");
    let htb = htb::measure(rounds)?;
    let figures = json!({
        "kernel": kernel.trim(),
        "rounds": rounds,
        "programs": programs,
        "htb_added_ns": htb.over_pfifo_ns,
        "htb_over_no_queue_ns": htb.over_no_queue_ns,
    });
    println!("{figures:#}");
    Ok(())
}
