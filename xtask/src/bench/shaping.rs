//! `bench shaping`: every way to shape, with several numbers of streams, idle and beside load.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::table::{ByArm, markdown};
use crate::scene::Place;

/// 42 cells of half a minute on an emulated machine, and something for a busy host.
const TIMEOUT: Duration = Duration::from_mins(90);

/// Arguments of `cargo xtask bench shaping`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// The ways to shape, such as `htb,weir`; all if not given.
    #[arg(long)]
    arms: Option<String>,
    /// Numbers of bulk TCP streams, such as `1,8`; 1, 8 and 30 if not given.
    #[arg(long)]
    streams: Option<String>,
    /// Interactive loads beside them in Mbit/s, such as `0`; 0 and 12 if not given.
    #[arg(long)]
    load: Option<String>,
    /// Headroom of Weir's uplink, such as `3%`; a little if not given, for the link's rate is known to the bit.
    #[arg(long)]
    headroom: Option<String>,
    /// Seconds that each cell is measured for; 12 if not given.
    #[arg(long)]
    seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Figures {
    machine: String,
    link_true_mbit: f64,
    arms: Vec<Cell>,
}

/// One cell, by the names of `--json`.
#[derive(Deserialize)]
struct Cell {
    arm: String,
    link_mbit: f64,
    streams: u32,
    load_mbit: u32,
    call_p50_ms: f64,
    call_p99_ms: f64,
    call_loss_percent: f64,
    call_jump_ms: Option<f64>,
    bulk_mbit: f64,
    interactive_mbit: f64,
    drops: u64,
    wire_mbit: f64,
    cpu_idle_percent: f64,
}

pub(super) fn main(args: &Args) -> Result<()> {
    let seconds = args.seconds.map(|seconds| seconds.to_string());
    let options = [
        ("--arms", &args.arms),
        ("--streams", &args.streams),
        ("--load", &args.load),
        ("--headroom", &args.headroom),
        ("--seconds", &seconds),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value.clone()?]));
    let arguments: Vec<String> = std::iter::once("shaping".to_owned()).chain(given.flatten()).collect();
    let figures = super::play(&args.place, &arguments, &[], TIMEOUT)?;
    if args.json {
        println!("{figures:#}");
    } else {
        let figures: Figures = serde_json::from_value(figures).context("the benchmark's figures")?;
        println!(
            "{}; the link carries {:.1} Mbit/s on the wire\n\nCall p99 in ms / bulk goodput in Mbit/s:\n\n{}\n\n\
             Everything:\n\n{}",
            figures.machine,
            figures.link_true_mbit,
            overview(&figures.arms),
            everything(&figures.arms)
        );
    }
    Ok(())
}

/// A column for each arm, a row for each number of streams and load.
fn overview(cells: &[Cell]) -> String {
    let mut cells: Vec<&Cell> = cells.iter().filter(|cell| cell.streams > 0).collect();
    cells.sort_by_key(|cell| (cell.load_mbit, cell.streams));
    let mut table = ByArm::default();
    for cell in cells {
        let beside = if cell.load_mbit > 0 { format!(", beside {} Mbit/s", cell.load_mbit) } else { String::new() };
        let row = format!("{} Mbit/s, {}{beside}", cell.link_mbit, cell.streams);
        table.put(&row, &cell.arm, format!("{:.1} / {:.1}", cell.call_p99_ms, cell.bulk_mbit));
    }
    table.markdown("link, bulk streams, load")
}

/// A row for each cell.
fn everything(cells: &[Cell]) -> String {
    let header = [
        "arm",
        "streams",
        "load",
        "p50 ms",
        "p99 ms",
        "lost %",
        "jump ms",
        "bulk",
        "interactive",
        "drops",
        "wire",
        "CPU idle %",
    ];
    let rows = cells.iter().map(|cell| {
        [
            cell.arm.clone(),
            cell.streams.to_string(),
            cell.load_mbit.to_string(),
            format!("{:.1}", cell.call_p50_ms),
            format!("{:.1}", cell.call_p99_ms),
            format!("{:.1}", cell.call_loss_percent),
            cell.call_jump_ms.map_or_else(String::new, |ms| format!("{ms:.1}")),
            format!("{:.2}", cell.bulk_mbit),
            format!("{:.2}", cell.interactive_mbit),
            cell.drops.to_string(),
            format!("{:.2}", cell.wire_mbit),
            format!("{:.0}", cell.cpu_idle_percent),
        ]
    });
    markdown(header.map(str::to_owned), rows, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(arm: &str, streams: u32, load_mbit: u32) -> Cell {
        Cell {
            arm: arm.to_owned(),
            link_mbit: 20.0,
            streams,
            load_mbit,
            call_p50_ms: 21.0,
            call_p99_ms: 25.04,
            call_loss_percent: 0.0,
            call_jump_ms: (load_mbit > 0).then_some(40.0),
            bulk_mbit: 18.36,
            interactive_mbit: 0.0,
            drops: 3,
            wire_mbit: 19.4,
            cpu_idle_percent: 60.0,
        }
    }

    #[test]
    fn arms_are_columns_in_their_order() {
        let cells = [cell("idle", 0, 0), cell("none", 8, 0), cell("htb", 8, 0), cell("htb", 8, 12)];
        let text = overview(&cells);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(lines[0][1..4], ["link, bulk streams, load", "none", "htb"]);
        assert_eq!(lines[2][1..4], ["20 Mbit/s, 8", "25.0 / 18.4", "25.0 / 18.4"]);
        assert_eq!(lines[3][1..4], ["20 Mbit/s, 8, beside 12 Mbit/s", "", "25.0 / 18.4"]);
        assert_eq!(everything(&cells).lines().count(), 6);
    }
}
