//! `packet-bench`: what each program costs per packet, beside what two-level HTB adds on the same machine.
//!
//! Prints one JSON object. Needs root; works in network and BPF file systems of its own.
#![forbid(unsafe_code)]

use anyhow::Result;
use clap::Parser;
use weir_load_tests::packet_bench;

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
    println!("{:#}", packet_bench::measure(rounds)?);
    Ok(())
}
