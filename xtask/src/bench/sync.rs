//! `bench sync`: an agent, as it is in the image, beside the API server of a large cluster.

use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::{Times, here, table::markdown};
use crate::image::{Architecture, Programs};
use crate::tools::{etcd, kubernetes};

/// Arguments of `cargo xtask bench sync`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Pods on all nodes; 5000 if not given.
    #[arg(long)]
    pods: Option<u32>,
    /// Pods on the agent's node, up to 250; 100 if not given.
    #[arg(long)]
    pods_here: Option<u32>,
    /// Nodes; 1000 if not given.
    #[arg(long)]
    nodes: Option<u32>,
    /// Tiers; 200 if not given.
    #[arg(long)]
    tiers: Option<u32>,
    /// Other nodes whose agents have reported every tier; none if not given.
    #[arg(long)]
    reports: Option<u32>,
    /// Changes of a pod's label a second; 50 if not given.
    #[arg(long)]
    changes_per_second: Option<u32>,
    /// Seconds of changes; 20 if not given.
    #[arg(long)]
    seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Figures {
    kernel: String,
    start_ms: f64,
    rss_mb: f64,
    enforce: Times,
    api_write: Times,
    api_requests_per_second: f64,
}

pub(super) fn main(args: &Args) -> Result<()> {
    eprintln!("building the image's program and the benchmark");
    let weir = Programs::build(Architecture::here()?)?.weir;
    let mut command = Command::new(here::program("weir-api-tests", "sync-bench")?);
    command.args(arguments(args));
    command.env("WEIR_BIN", weir).env("WEIR_ETCD", etcd::ensure()?);
    command.env("WEIR_KUBE_APISERVER", kubernetes::api_server()?).env("WEIR_KUBECTL", kubernetes::kubectl()?);
    super::tell(here::run(&mut command)?, args.json, render)
}

fn arguments(args: &Args) -> Vec<String> {
    let options = [
        ("--pods", args.pods),
        ("--pods-here", args.pods_here),
        ("--nodes", args.nodes),
        ("--tiers", args.tiers),
        ("--reports", args.reports),
        ("--changes-per-second", args.changes_per_second),
        ("--seconds", args.seconds),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]));
    given.flatten().collect()
}

fn render(figures: &Figures) -> String {
    let Figures { kernel, enforce, api_write, .. } = figures;
    let header = ["what", "figure"].map(str::to_owned);
    let changes = enforce.count;
    let rows = [
        ("from the agent's start until everything is in force", format!("{:.0} ms", figures.start_ms)),
        ("resident memory", format!("{:.1} MB", figures.rss_mb)),
        ("requests to the API server a second", format!("{:.2}", figures.api_requests_per_second)),
        ("from a label's change to the kernel, p50", format!("{:.1} ms", enforce.p50_ms)),
        ("from a label's change to the kernel, p99", format!("{:.1} ms", enforce.p99_ms)),
        ("the slowest of them", format!("{:.1} ms", enforce.max_ms)),
        ("what the API server needs to write one, p50", format!("{:.1} ms", api_write.p50_ms)),
        ("what the API server needs to write one, p99", format!("{:.1} ms", api_write.p99_ms)),
    ];
    let rows = rows.map(|(what, figure)| [what.to_owned(), figure]);
    format!("Linux {kernel}, {changes} changes\n\n{}", markdown(header, rows, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders() {
        let times = |p50_ms| Times { count: 1000, p50_ms, p99_ms: 40.0, max_ms: 51.0 };
        let text = render(&Figures {
            kernel: "6.18".to_owned(),
            start_ms: 812.4,
            rss_mb: 21.04,
            enforce: times(12.34),
            api_write: times(3.21),
            api_requests_per_second: 0.05,
        });
        assert!(text.contains("812 ms |") && text.contains("21.0 MB |") && text.contains("12.3 ms |"), "{text}");
    }
}
