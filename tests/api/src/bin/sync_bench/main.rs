//! `sync-bench`: an agent beside the API server of a large cluster: how soon it enforces everything when it starts and
//! what changes later, how much memory it takes, and how much it asks.
//!
//! Prints one JSON object. Needs root and the programs that `cargo xtask bench sync` names.
#![forbid(unsafe_code)]

mod churn;
mod cluster;
mod memory;
mod reports;
mod start;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;
use weir_api_tests::{Rule, Setup};
use weir_lab::{AgentOptions, Lab, LabOptions, NodeOptions};

use cluster::Size;

/// The user that the agent is.
const USER: &str = "weir-agent";
/// As in `deploy/base/rbac.yaml`.
const RULES: &[Rule] = &[
    Rule { api_groups: &[""], resources: &["namespaces", "nodes", "pods"], verbs: &["list", "watch"] },
    Rule {
        api_groups: &["weir.dev"],
        resources: &["traffictiers", "uplinks", "weirnodes"],
        verbs: &["list", "watch", "create", "patch"],
    },
    Rule {
        api_groups: &["weir.dev"],
        resources: &["traffictiers/status", "uplinks/status", "weirnodes/status"],
        verbs: &["patch"],
    },
    Rule { api_groups: &["events.k8s.io"], resources: &["events"], verbs: &["create", "patch"] },
    Rule { api_groups: &["coordination.k8s.io"], resources: &["leases"], verbs: &["create", "get", "update"] },
];

/// Fills an API server, starts the agent beside it, and changes labels of its pods.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    size: Size,
    /// Changes of a pod's label a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    changes_per_second: u32,
    /// For how long
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

fn main() -> Result<()> {
    let Arguments { size, changes_per_second, seconds } = Arguments::parse();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's release")?;
    eprintln!("building the lab and starting the API server");
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let control_plane = Setup::default().within(node.ns()).user(USER).audited().start()?;
    cluster::define(&control_plane)?;
    control_plane.allow(USER, None, RULES)?;
    let cluster = cluster::fill(&control_plane, &node, &size)?;

    eprintln!("starting the agent");
    let options = AgentOptions { kubeconfig: Some(control_plane.kubeconfig(USER)?), ..AgentOptions::default() };
    let (agent, start) = start::measure(&node, &options, &cluster)?;
    let (before, asked_before) = (memory::of(agent.pid())?, asked(&control_plane)?);
    eprintln!("changing {changes_per_second} labels a second for {seconds} s");
    let churn = churn::measure(&node, &cluster, changes_per_second, Duration::from_secs(seconds))?;
    let asked = asked(&control_plane)? - asked_before;
    let after = memory::of(agent.pid())?;
    #[allow(clippy::cast_precision_loss)] // Some thousand requests in some seconds.
    let per_second = asked as f64 / churn.took.as_secs_f64();
    let figures = json!({
        "kernel": kernel.trim(),
        "size": size,
        "start_ms": start.as_secs_f64() * 1e3,
        "rss_mb": after.resident,
        "rss_at_start_mb": before.resident,
        "rss_peak_mb": after.peak,
        "rss_anonymous_mb": after.anonymous,
        "changes_per_second": changes_per_second,
        "enforce": churn.enforce.figures(),
        "api_write": churn.write.figures(),
        "api_requests_per_second": per_second,
    });
    println!("{figures:#}");
    Ok(())
}

/// How often the agent has asked the API server for anything.
fn asked(control_plane: &weir_api_tests::ControlPlane) -> Result<usize> {
    Ok(control_plane.requests()?.iter().filter(|request| request.user == USER).count())
}
