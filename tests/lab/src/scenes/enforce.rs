//! `bench enforce`: from a label's change in a file to the first packet that is treated by it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use weir_lab::traffic::CallOptions;
use weir_lab::{AgentOptions, Capture};

use super::events::{Events, round};
use super::measure::kernel;
use super::stage::{LOWER_EFFORT, Stage};

/// The seed sends this often, so that a change is seen to the millisecond.
const PROBES: CallOptions = CallOptions { rate: 1000, size: 20, segment: 0 };
/// A change that takes longer counts as never.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two changes, so that each is a change of its own for the agent.
const PAUSE: Duration = Duration::from_millis(150);

/// Times from the change to the first packet, in milliseconds.
pub(super) struct Times(Vec<f64>);

impl Times {
    /// The figures `p50_ms` and `p99_ms`, and how many there were.
    pub(super) fn figures(&self) -> Value {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        let figure = |percent| rank(percent).map(|ms| round(ms, 2));
        json!({"count": sorted.len(), "p50_ms": figure(50), "p99_ms": figure(99), "max_ms": figure(100)})
    }
}

/// Takes the seed's label off and puts it on again, `count` times.
///
/// The tier marks what it shapes, so the first packet with the mark, caught as it reaches the router,
/// is the first one that was shaped.
pub(super) fn toggle(stage: &Stage, count: usize) -> Result<Times> {
    let source = *stage.seed.addresses().first().context("the seed has no address")?;
    let capture = Capture::start(stage.lab.router().ns(), move |packet| packet.source == source)?;
    let _probes = stage.start_probe(&stage.seed, PROBES)?;
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        stage.label_seed(false)?;
        std::thread::sleep(PAUSE);
        let _ = capture.drain();
        capture
            .wait_for(LIMIT, |packet| packet.dscp == 0)
            .with_context(|| format!("change {number}: the label is gone but packets are still shaped"))?;
        let changed = Instant::now();
        stage.label_seed(true)?;
        let first = capture
            .wait_for(LIMIT, |packet| packet.dscp == LOWER_EFFORT)
            .with_context(|| format!("change {number}: the label is there but no packet is shaped"))?;
        times.push((first.at - changed).as_secs_f64() * 1000.0);
    }
    Ok(Times(times))
}

/// Plays the benchmark.
pub(super) fn play(events: &Events, count: usize) -> Result<()> {
    events.step("lab", "building the lab and starting the agent", 0);
    let stage = Stage::build(true)?;
    let _agent = stage.node.start_agent(&AgentOptions::default())?;
    events.step("toggle", &format!("changing a label {count} times"), 0);
    let times = toggle(&stage, count)?;
    events.result("bench enforce", json!({"kernel": kernel()?, "enforce": times.figures()}));
    Ok(())
}
