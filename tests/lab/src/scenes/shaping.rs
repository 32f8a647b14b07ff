//! `bench shaping`: one table, a cell for each arm, number of streams and load.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use weir_lab::traffic::{IperfOptions, Sample, Summary};
use weir_lab::{Agent, AgentOptions};

use super::arms::Arm;
use super::events::{Events, round};
use super::measure::{Totals, kernel, mbit_of, true_rate};
use super::stage::Stage;

/// TCP's slow start, and what it overshoots by, is over after this.
const SETTLE: Duration = Duration::from_secs(3);
/// The first second of a load that starts from nothing is a figure of its own.
const JUMP: Duration = Duration::from_secs(1);
/// Senders go on for this long after the measurement, as they started a little late.
const MARGIN: Duration = Duration::from_secs(2);

/// Which cells.
#[derive(Debug, Args)]
pub(crate) struct Grid {
    /// The ways to shape
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Arm::ALL)]
    arms: Vec<Arm>,
    /// Numbers of bulk TCP streams
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 30])]
    streams: Vec<u8>,
    /// Interactive loads beside them, in Mbit/s on the wire
    #[arg(long, value_delimiter = ',', default_values_t = [0, 12])]
    load: Vec<u32>,
    /// Headroom of Weir's uplink: the bench knows the link's rate to the bit
    #[arg(long, default_value = "2%")]
    headroom: String,
    /// Seconds that each cell is measured for
    #[arg(long, default_value_t = 12)]
    seconds: u64,
}

/// One cell's figures.
#[derive(Debug, Serialize)]
struct Cell {
    arm: Arm,
    /// The link's rate as set, in Mbit/s on the wire.
    link_mbit: u64,
    streams: u8,
    load_mbit: u32,
    call_p50_ms: f64,
    call_p99_ms: f64,
    call_loss_percent: f64,
    /// The call's slowest packet in the first second of a load that starts from nothing.
    call_jump_ms: Option<f64>,
    /// Payload of the seed that arrived, in Mbit/s.
    bulk_mbit: f64,
    /// The load that arrived, in Mbit/s on the wire.
    interactive_mbit: f64,
    /// Packets dropped on the node and before the link while measuring.
    drops: u64,
    /// What left by the link, in Mbit/s on the wire.
    wire_mbit: f64,
    /// How idle the machine's CPUs were. Near 0 the delays are the machine's own.
    cpu_idle_percent: f64,
}

/// Plays every cell.
pub(super) fn play(events: &Events, grid: &Grid) -> Result<()> {
    let true_rate = true_rate(events)?;
    let mut cells = Vec::new();
    for &arm in &grid.arms {
        let stage = Stage::build(arm.labelled())?;
        arm.set_up(&stage)?;
        stage.write_uplink(Some(&grid.headroom))?;
        let agent = if arm.has_agent() { Some(stage.node.start_agent(&AgentOptions::default())?) } else { None };
        let streams: &[u8] = if arm == Arm::Idle { &[0] } else { &grid.streams };
        for &streams in streams {
            for &load in &grid.load {
                let cell = play_cell(events, &stage, agent.as_ref(), arm, (streams, load), grid.seconds)
                    .with_context(|| format!("arm {arm:?}, {streams} streams, load {load} Mbit/s"))?;
                events.emit("cell", serde_json::to_value(&cell)?);
                cells.push(cell);
            }
        }
    }
    events.result("bench shaping", json!({"link_true_mbit": true_rate, "kernel": kernel()?, "arms": cells}));
    Ok(())
}

/// Bulk settles, then the load jumps up and settles, then everything is measured at once.
fn play_cell(
    events: &Events,
    stage: &Stage,
    agent: Option<&Agent>,
    arm: Arm,
    (streams, load_mbit): (u8, u32),
    seconds: u64,
) -> Result<Cell> {
    let measured = Duration::from_secs(seconds);
    let name = format!("{arm:?}, {streams} streams, load {load_mbit} Mbit/s");
    events.step("cell", &name, (2 * SETTLE + measured + MARGIN).as_secs());
    let call = stage.start_call()?;
    let bulk = match streams {
        0 => None,
        streams => Some(stage.start_seed(streams, 2 * SETTLE + measured + MARGIN, arm.type_of_service())?),
    };
    std::thread::sleep(SETTLE);
    let jump_at = Instant::now();
    let load = match load_mbit {
        0 => None,
        mbit => Some(stage.start_load(mbit, SETTLE + measured + MARGIN)?),
    };
    std::thread::sleep(SETTLE);

    let from = Instant::now();
    let before = Totals::read(stage, agent)?;
    std::thread::sleep(measured);
    let after = Totals::read(stage, agent)?;
    let to = Instant::now();

    let bulk_mbit = bulk.map(|bulk| anyhow::Ok(bulk.finish()?.mbit(from, to))).transpose()?;
    let interactive_mbit =
        load.map(|load| anyhow::Ok(IperfOptions::udp_on_wire(load.finish()?.mbit(from, to)))).transpose()?;
    let samples: Vec<Sample> = call.finish()?;
    let summary = Summary::of(&samples, from, to);
    Ok(Cell {
        arm,
        link_mbit: stage.link_mbit(),
        streams,
        load_mbit,
        call_p50_ms: round(summary.p50_ms, 2),
        call_p99_ms: round(summary.p99_ms, 2),
        call_loss_percent: round(summary.loss_percent(), 2),
        call_jump_ms: (load_mbit > 0).then(|| round(Summary::of(&samples, jump_at, jump_at + JUMP).max_ms, 2)),
        bulk_mbit: round(bulk_mbit.unwrap_or_default(), 2),
        interactive_mbit: round(interactive_mbit.unwrap_or_default(), 2),
        drops: after.drops - before.drops,
        wire_mbit: mbit_of(after.wire_bytes - before.wire_bytes, to - from),
        cpu_idle_percent: after.idle_percent_since(&before),
    })
}
