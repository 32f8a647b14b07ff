//! `bench torrent`: a call beside a real torrent client, under each way to shape.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use weir_lab::traffic::{Summary, Swarm, SwarmOptions};
use weir_lab::{AgentOptions, Bottleneck, Tunnel};

use super::arms::Arm;
use super::events::{Events, round};
use super::measure::{Totals, kernel, mbit_of, true_rate};
use super::stage::Stage;

/// Peers that start at once overshoot, and LEDBAT's windows grow slowly.
const SETTLE: Duration = Duration::from_secs(6);
const SEED_PORT: u16 = 6881;

/// What carries the torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Transport {
    /// TCP (CUBIC).
    Tcp,
    /// µTP, over UDP.
    Utp,
}

/// What the pod's packets are wrapped into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
enum Wrapping {
    /// Nothing: each peer is a flow.
    None,
    /// A VPN sidecar's WireGuard tunnel: all peers are one UDP flow.
    Wireguard,
}

/// Which cells.
#[derive(Debug, Args)]
pub(crate) struct Grid {
    /// The ways to shape
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Arm::None, Arm::Htb, Arm::Cake, Arm::Weir])]
    arms: Vec<Arm>,
    /// Numbers of leechers
    #[arg(long, value_delimiter = ',', default_values_t = [4, 40])]
    peers: Vec<u8>,
    /// What carries the torrent
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Transport::Tcp, Transport::Utp])]
    transport: Vec<Transport>,
    /// What the pod's packets are wrapped into
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Wrapping::None, Wrapping::Wireguard])]
    tunnel: Vec<Wrapping>,
    /// Round-trip times in milliseconds
    #[arg(long, value_delimiter = ',', default_values_t = [20, 100])]
    rtt: Vec<u64>,
    /// Headroom of Weir's uplink: the bench knows the link's rate to the bit
    #[arg(long, default_value = "2%")]
    headroom: String,
    /// Seconds that each cell is measured for
    #[arg(long, default_value_t = 12)]
    seconds: u64,
}

/// What the cells that are compared with each other share.
#[derive(Debug, Clone, Copy, Serialize)]
struct Load {
    peers: u8,
    transport: Transport,
    tunnel: Wrapping,
    rtt_ms: u64,
}

/// The call's figures, by the names of `bench shaping`.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_field_names)]
struct Quality {
    call_p50_ms: f64,
    call_p99_ms: f64,
    call_loss_percent: f64,
}

/// One cell's figures.
#[derive(Debug, Serialize)]
struct Cell {
    arm: Arm,
    #[serde(flatten)]
    load: Load,
    #[serde(flatten)]
    call: Quality,
    /// Payload that arrived at the leechers, in Mbit/s.
    bulk_mbit: f64,
    /// Packets dropped on the node and before the link while measuring.
    drops: u64,
    /// What left by the link, in Mbit/s on the wire.
    wire_mbit: f64,
    /// How idle the machine's CPUs were. Near 0 the delays are the machine's own.
    cpu_idle_percent: f64,
}

/// Plays every cell. The arms follow each other for each load, so that what changes on the machine meets all of them.
pub(super) fn play(events: &Events, grid: &Grid) -> Result<()> {
    let true_rate = true_rate(events)?;
    let mut idle = Vec::new();
    let mut cells = Vec::new();
    for &rtt_ms in &grid.rtt {
        idle.push(call_alone(events, rtt_ms, grid)?);
    }
    for load in loads(grid) {
        for &arm in &grid.arms {
            let cell = play_cell(events, arm, load, grid).with_context(|| format!("arm {arm:?}, {load:?}"))?;
            events.mark(&format!(
                "call p99 {:.1} ms, bulk {:.1} Mbit/s, CPU idle {:.0} %",
                cell.call.call_p99_ms, cell.bulk_mbit, cell.cpu_idle_percent
            ));
            events.emit("cell", serde_json::to_value(&cell)?);
            cells.push(cell);
        }
    }
    events.result(
        "bench torrent",
        json!({"link_true_mbit": true_rate, "kernel": kernel()?, "idle": idle, "cells": cells}),
    );
    Ok(())
}

fn loads(grid: &Grid) -> Vec<Load> {
    let mut loads = Vec::new();
    for &rtt_ms in &grid.rtt {
        for &tunnel in &grid.tunnel {
            for &transport in &grid.transport {
                loads.extend(grid.peers.iter().map(|&peers| Load { peers, transport, tunnel, rtt_ms }));
            }
        }
    }
    loads
}

fn link(rtt_ms: u64) -> Bottleneck {
    Bottleneck { round_trip: Duration::from_millis(rtt_ms), ..Bottleneck::default() }
}

/// The call with nothing beside it: what no shaping adds is counted from here.
fn call_alone(events: &Events, rtt_ms: u64, grid: &Grid) -> Result<Value> {
    let measured = Duration::from_secs(grid.seconds);
    events.step("idle", &format!("the call alone, {rtt_ms} ms of round trip"), measured.as_secs());
    let stage = Stage::behind(link(rtt_ms), false)?;
    let call = stage.start_call()?;
    std::thread::sleep(Duration::from_secs(1));
    let from = Instant::now();
    std::thread::sleep(measured);
    let mut figures = serde_json::to_value(Quality::of(&Summary::of(&call.finish()?, from, from + measured)))?;
    figures["rtt_ms"] = json!(rtt_ms);
    Ok(figures)
}

/// Builds everything anew, lets the swarm settle, and measures.
fn play_cell(events: &Events, arm: Arm, load: Load, grid: &Grid) -> Result<Cell> {
    let measured = Duration::from_secs(grid.seconds);
    let Load { peers, transport, tunnel, rtt_ms } = load;
    let title = format!("{arm:?}, {peers} peers, {transport:?}, tunnel {tunnel:?}, {rtt_ms} ms");
    events.step("cell", &title, (SETTLE + measured).as_secs());
    let stage = Stage::behind(link(rtt_ms), arm.labelled())?;
    arm.set_up(&stage)?;
    stage.write_uplink(Some(&grid.headroom))?;
    let agent = if arm.has_agent() { Some(stage.node.start_agent(&AgentOptions::default())?) } else { None };
    let call = stage.start_call()?;
    let mut swarm = start_swarm(&stage, arm, load)?;
    std::thread::sleep(SETTLE);

    let before = Totals::read(&stage, agent.as_ref())?;
    let (from, arrived_before) = (Instant::now(), swarm.received()?);
    std::thread::sleep(measured);
    let (to, arrived) = (Instant::now(), swarm.received()? - arrived_before);
    let after = Totals::read(&stage, agent.as_ref())?;
    drop(swarm);

    Ok(Cell {
        arm,
        load,
        call: Quality::of(&Summary::of(&call.finish()?, from, to)),
        bulk_mbit: mbit_of(arrived, to - from),
        drops: after.drops - before.drops,
        wire_mbit: mbit_of(after.wire_bytes - before.wire_bytes, to - from),
        cpu_idle_percent: after.idle_percent_since(&before),
    })
}

fn start_swarm(stage: &Stage, arm: Arm, load: Load) -> Result<Swarm> {
    let (seed, internet) = (&stage.seed, stage.lab.internet());
    seed.ns().sysctl("net/ipv4/tcp_congestion_control", "cubic")?;
    let (seed_at, type_of_service) = match load.tunnel {
        Wrapping::None => {
            let address = *seed.addresses().first().context("the seed has no address")?;
            ((address, SEED_PORT).into(), arm.type_of_service())
        }
        // Only the tunnel's own packets are seen on the way.
        Wrapping::Wireguard => (Tunnel::start(seed, internet, arm.type_of_service())?.pod_at(SEED_PORT), 0),
    };
    let transport = match load.transport {
        Transport::Tcp => weir_lab::traffic::Transport::Tcp,
        Transport::Utp => weir_lab::traffic::Transport::Utp,
    };
    let leechers = internet.add_peers(load.peers)?;
    let options = SwarmOptions { transport, seed: seed_at, leechers, type_of_service };
    Swarm::start(seed.ns(), internet.ns(), &options)
}

impl Quality {
    fn of(summary: &Summary) -> Self {
        Self {
            call_p50_ms: round(summary.p50_ms, 2),
            call_p99_ms: round(summary.p99_ms, 2),
            call_loss_percent: round(summary.loss_percent(), 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_flat_object() {
        let load = Load { peers: 4, transport: Transport::Utp, tunnel: Wrapping::Wireguard, rtt_ms: 20 };
        let quality = Quality { call_p50_ms: 21.0, call_p99_ms: 25.0, call_loss_percent: 0.0 };
        let cell = Cell {
            arm: Arm::Weir,
            load,
            call: quality,
            bulk_mbit: 18.0,
            drops: 3,
            wire_mbit: 19.4,
            cpu_idle_percent: 60.0,
        };
        let value = serde_json::to_value(&cell).unwrap();
        assert_eq!(value["arm"], "weir");
        assert_eq!((&value["transport"], &value["tunnel"]), (&json!("utp"), &json!("wireguard")));
        assert_eq!((&value["rtt_ms"], &value["call_p99_ms"]), (&json!(20), &json!(25.0)));
    }
}
