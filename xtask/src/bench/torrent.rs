//! `bench torrent`: a real torrent client as the bulk, its peers each a flow, or all in one tunnel.

use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use super::table::{ByArm, markdown};
use crate::scene::{Place, Prop};
use crate::tools::libtorrent;

/// 64 cells of half a minute on an emulated machine, and something for a busy host.
const TIMEOUT: Duration = Duration::from_mins(90);
/// Where the torrent client is in the VM.
const INSIDE: &str = "/opt/libtorrent";
/// The arms that Weir is measured by.
const PEERS: [&str; 2] = ["htb", "cake"];

/// Arguments of `cargo xtask bench torrent`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// The ways to shape, such as `htb,weir`; none, htb, cake and weir if not given.
    #[arg(long)]
    arms: Option<String>,
    /// Numbers of leechers, such as `4`; 4 and 40 if not given.
    #[arg(long)]
    peers: Option<String>,
    /// What carries the torrent: `tcp`, `utp`; both if not given.
    #[arg(long)]
    transport: Option<String>,
    /// What the pod's packets are wrapped into: `none`, `wireguard`; both if not given.
    #[arg(long)]
    tunnel: Option<String>,
    /// Round-trip times in milliseconds, such as `20`; 20 and 100 if not given.
    #[arg(long)]
    rtt: Option<String>,
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
    idle: Vec<Idle>,
    cells: Vec<Cell>,
}

/// The call with nothing beside it, by the names of `--json`.
#[derive(Deserialize)]
#[allow(clippy::struct_field_names)]
struct Idle {
    rtt_ms: u32,
    call_p50_ms: f64,
    call_p99_ms: f64,
}

/// One cell, by the names of `--json`.
#[derive(Deserialize)]
struct Cell {
    arm: String,
    peers: u32,
    transport: String,
    tunnel: String,
    rtt_ms: u32,
    call_p50_ms: f64,
    call_p99_ms: f64,
    call_loss_percent: f64,
    bulk_mbit: f64,
    drops: u64,
    wire_mbit: f64,
    cpu_idle_percent: f64,
}

pub(super) fn main(args: &Args) -> Result<()> {
    let client = libtorrent::ensure()?;
    let prop = Prop {
        variable: "WEIR_TORRENT_PYTHON",
        here: client.python(),
        inside: format!("{INSIDE}/python"),
        files: vec![(client.root().to_owned(), INSIDE.to_owned())],
    };
    let figures = super::play(&args.place, &arguments(args), &[prop], TIMEOUT)?;
    super::tell(figures, args.json, render)
}

fn arguments(args: &Args) -> Vec<String> {
    let seconds = args.seconds.map(|seconds| seconds.to_string());
    let options = [
        ("--arms", &args.arms),
        ("--peers", &args.peers),
        ("--transport", &args.transport),
        ("--tunnel", &args.tunnel),
        ("--rtt", &args.rtt),
        ("--headroom", &args.headroom),
        ("--seconds", &seconds),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value.clone()?]));
    std::iter::once("torrent".to_owned()).chain(given.flatten()).collect()
}

fn render(figures: &Figures) -> String {
    let idle = figures.idle.iter().map(|idle| {
        let Idle { rtt_ms, call_p50_ms, call_p99_ms } = idle;
        format!("The call alone over {rtt_ms} ms: p50 {call_p50_ms:.1} ms, p99 {call_p99_ms:.1} ms.\n")
    });
    format!(
        "{}; the link carries {:.1} Mbit/s on the wire\n\n{}\nCall p99 in ms / goodput in Mbit/s:\n\n{}\n\n\
         Everything:\n\n{}",
        figures.machine,
        figures.link_true_mbit,
        idle.collect::<String>(),
        overview(&figures.cells),
        everything(&figures.cells)
    )
}

/// A column for each arm, a row for each load, and how Weir's goodput compares with the better peer's.
fn overview(cells: &[Cell]) -> String {
    let mut table = ByArm::default();
    for cell in cells {
        table.put(&cell.load(), &cell.arm, format!("{:.1} / {:.1}", cell.call_p99_ms, cell.bulk_mbit));
    }
    for weir in cells.iter().filter(|cell| cell.arm == "weir") {
        let peers = cells.iter().filter(|cell| PEERS.contains(&cell.arm.as_str()) && cell.load() == weir.load());
        if let Some(best) = peers.map(|peer| peer.bulk_mbit).reduce(f64::max) {
            table.put(&weir.load(), "weir / better goodput", format!("{:.0} %", weir.bulk_mbit / best * 100.0));
        }
    }
    table.markdown("peers")
}

/// A row for each cell.
fn everything(cells: &[Cell]) -> String {
    let header = [
        "arm",
        "peers",
        "transport",
        "tunnel",
        "RTT ms",
        "p50 ms",
        "p99 ms",
        "lost %",
        "bulk",
        "drops",
        "wire",
        "CPU idle %",
    ];
    let rows = cells.iter().map(|cell| {
        [
            cell.arm.clone(),
            cell.peers.to_string(),
            cell.transport.clone(),
            cell.tunnel.clone(),
            cell.rtt_ms.to_string(),
            format!("{:.1}", cell.call_p50_ms),
            format!("{:.1}", cell.call_p99_ms),
            format!("{:.1}", cell.call_loss_percent),
            format!("{:.2}", cell.bulk_mbit),
            cell.drops.to_string(),
            format!("{:.2}", cell.wire_mbit),
            format!("{:.0}", cell.cpu_idle_percent),
        ]
    });
    markdown(header.map(str::to_owned), rows, 4)
}

impl Cell {
    /// What its arm has to deal with, in words.
    fn load(&self) -> String {
        let transport = if self.transport == "utp" { "µTP" } else { "TCP" };
        let tunnel = if self.tunnel == "none" { "" } else { ", WireGuard" };
        format!("{} {transport}{tunnel}, {} ms", self.peers, self.rtt_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(arm: &str, tunnel: &str, bulk_mbit: f64) -> Cell {
        Cell {
            arm: arm.to_owned(),
            peers: 40,
            transport: "utp".to_owned(),
            tunnel: tunnel.to_owned(),
            rtt_ms: 20,
            call_p50_ms: 21.0,
            call_p99_ms: 25.04,
            call_loss_percent: 0.0,
            bulk_mbit,
            drops: 3,
            wire_mbit: 19.4,
            cpu_idle_percent: 60.0,
        }
    }

    #[test]
    fn weir_stands_beside_the_better_peer_of_its_own_load() {
        let cells = [
            cell("none", "none", 19.0),
            cell("htb", "none", 16.0),
            cell("cake", "none", 18.0),
            cell("weir", "none", 17.1),
            cell("weir", "wireguard", 12.0),
        ];
        let text = overview(&cells);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(lines[0][1..7], ["peers", "none", "htb", "cake", "weir", "weir / better goodput"]);
        assert_eq!(lines[2][1], "40 µTP, 20 ms");
        assert_eq!(lines[2][5..7], ["25.0 / 17.1", "95 %"]);
        assert_eq!(lines[3][1..7], ["40 µTP, WireGuard, 20 ms", "", "", "", "25.0 / 12.0", ""]);
        assert_eq!(everything(&cells).lines().count(), 7);
    }

    #[test]
    fn only_options_that_are_given_are_passed_on() {
        let place = Place::default();
        let args = Args {
            place,
            json: false,
            arms: Some("htb,weir".to_owned()),
            peers: None,
            transport: None,
            tunnel: None,
            rtt: Some("100".to_owned()),
            headroom: None,
            seconds: Some(20),
        };
        assert_eq!(arguments(&args), ["torrent", "--arms", "htb,weir", "--rtt", "100", "--seconds", "20"]);
    }
}
