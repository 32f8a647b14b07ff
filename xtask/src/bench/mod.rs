//! `cargo xtask bench`: the measurements. Each prints one JSON object, or tables in Markdown.

mod enforce;
mod here;
mod low_rates;
mod packet;
mod shaping;
mod sync;
mod table;
mod torrent;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::scene::{self, Place, Prop};

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// A call's delay and the bulk's goodput under each way to shape, in a VM (20 minutes for all cells).
    Shaping(shaping::Args),
    /// The same with a real torrent client as bulk, and through a VPN sidecar, in a VM (40 minutes for all cells).
    Torrent(torrent::Args),
    /// What each program costs per packet, beside what two-level HTB adds: on this machine, as root.
    Packet(packet::Args),
    /// What TCP gets of low ceilings and guarantees, under Weir and under HTB, in a VM (25 minutes).
    LowRates(low_rates::Args),
    /// From a label's change to the first packet that is treated by it, in a VM.
    Enforce(enforce::Args),
    /// An agent beside the API server of a large cluster: start, memory, time to enforce, requests. As root, here.
    Sync(sync::Args),
}

/// Measures, and prints what came of it.
pub fn main(args: &Args) -> Result<ExitCode> {
    match &args.bench {
        Bench::Shaping(args) => shaping::main(args)?,
        Bench::Torrent(args) => torrent::main(args)?,
        Bench::Packet(args) => packet::main(args)?,
        Bench::LowRates(args) => low_rates::main(args)?,
        Bench::Enforce(args) => enforce::main(args)?,
        Bench::Sync(args) => sync::main(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays a scene of `weir-lab bench` and gives its figures.
fn play(place: &Place, arguments: &[String], props: &[Prop], timeout: Duration) -> Result<Value> {
    let arguments: Vec<String> = std::iter::once("bench".to_owned()).chain(arguments.iter().cloned()).collect();
    let played = scene::play(place, &arguments, props, timeout)?;
    played.require_success()?;
    let mut figures: Value = serde_json::from_str(&played.stdout)
        .with_context(|| format!("the benchmark printed no JSON object:\n{}", played.stdout))?;
    figures["machine"] = played.machine.into();
    Ok(figures)
}

/// How long something took, over all times that it was measured.
#[derive(Deserialize)]
struct Times {
    count: u32,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Prints figures as they are, or rendered for a person.
fn tell<F: DeserializeOwned>(figures: Value, json: bool, render: impl FnOnce(&F) -> String) -> Result<()> {
    if json {
        println!("{figures:#}");
    } else {
        println!("{}", render(&serde_json::from_value(figures).context("the benchmark's figures")?));
    }
    Ok(())
}
