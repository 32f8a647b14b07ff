//! `bench low-rates`: what TCP gets of a low ceiling or guarantee, under Weir and under HTB.

use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use super::table::ByArm;
use crate::scene::Place;

/// Some forty cells of half a minute on an emulated machine, and something for a busy host.
const TIMEOUT: Duration = Duration::from_mins(90);
/// The capacity that a row does not name, as most cells have it.
const USUAL_CAPACITY_MBIT: u64 = 20;
/// The part of a full Ethernet frame that is TCP's payload: what arrives at best.
const PAYLOAD: f64 = 1448.0 / 1514.0;

/// Arguments of `cargo xtask bench low-rates`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Cells whose description contains this, such as `guarantee 2M`; all if not given.
    #[arg(long)]
    only: Option<String>,
    /// The ways to shape, such as `weir`; `weir,htb` if not given.
    #[arg(long)]
    arms: Option<String>,
    /// Seconds that each cell is measured for; 16 if not given.
    #[arg(long)]
    seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Figures {
    machine: String,
    cells: Vec<Cell>,
}

/// One cell, by the names of `--json`.
#[derive(Deserialize)]
struct Cell {
    what: String,
    rate_kbit: u64,
    capacity_mbit: u64,
    rtt_ms: u64,
    streams: u32,
    pods: u32,
    beside_mbit: u32,
    host_network: bool,
    policed: bool,
    arm: String,
    goodput_kbit: u64,
    drops: u64,
    call_p99_ms: f64,
}

pub(super) fn main(args: &Args) -> Result<()> {
    let seconds = args.seconds.map(|seconds| seconds.to_string());
    let options = [("--only", &args.only), ("--arms", &args.arms), ("--seconds", &seconds)];
    let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value.clone()?]));
    let arguments: Vec<String> = std::iter::once("low-rates".to_owned()).chain(given.flatten()).collect();
    let figures = super::play(&args.place, &arguments, &[], TIMEOUT)?;
    super::tell(figures, args.json, |figures: &Figures| format!("{}\n\n{}", figures.machine, table(&figures.cells)))
}

/// A row for each case, and in it what each arm made of it.
fn table(cells: &[Cell]) -> String {
    let mut table = ByArm::default();
    for cell in cells {
        let text = format!("{:.0} % / {} / {:.1}", percent(cell), cell.drops, cell.call_p99_ms);
        table.put(&case(cell), &cell.arm, text);
    }
    table.markdown("goodput of what is possible / drops / call p99 ms")
}

fn case(cell: &Cell) -> String {
    let pods = if cell.pods > 1 { format!(" × {} pods", cell.pods) } else { String::new() };
    let host_network = if cell.host_network { ", hostNetwork" } else { "" };
    let beside = if cell.beside_mbit > 0 { format!(", beside {} Mbit/s", cell.beside_mbit) } else { String::new() };
    let policed = if cell.policed { ", policed" } else { "" };
    let capacity = match cell.capacity_mbit {
        USUAL_CAPACITY_MBIT => String::new(),
        other => format!(" of {other}M"),
    };
    let Cell { what, rate_kbit, rtt_ms, streams, .. } = cell;
    format!("{what} {rate_kbit}k{capacity}{pods}, {rtt_ms} ms, {streams} streams{host_network}{beside}{policed}")
}

/// The goodput, of what the limit allows.
#[allow(clippy::cast_precision_loss)] // kbit/s of a link
fn percent(cell: &Cell) -> f64 {
    cell.goodput_kbit as f64 / (cell.rate_kbit as f64 * f64::from(cell.pods) * PAYLOAD) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(arm: &str, rate_kbit: u64, goodput_kbit: u64) -> Cell {
        Cell {
            what: "ceiling".to_owned(),
            rate_kbit,
            capacity_mbit: 20,
            rtt_ms: 20,
            streams: 1,
            pods: 1,
            beside_mbit: 0,
            host_network: true,
            policed: false,
            arm: arm.to_owned(),
            goodput_kbit,
            drops: 3,
            call_p99_ms: 24.04,
        }
    }

    #[test]
    fn arms_are_columns_and_goodput_is_a_share_of_the_possible() {
        let cells = [cell("weir", 500, 478), cell("htb", 500, 239), cell("weir", 1_000, 0)];
        let text = table(&cells);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(lines[0][2..4], ["weir", "htb"]);
        assert_eq!(
            lines[2][1..4],
            ["ceiling 500k, 20 ms, 1 streams, hostNetwork", "100 % / 3 / 24.0", "50 % / 3 / 24.0"]
        );
        assert_eq!(lines[3][2..4], ["0 % / 3 / 24.0", ""]);
    }
}
