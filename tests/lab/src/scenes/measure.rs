//! What every benchmark measures beside its own traffic: the link, drops, the machine.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use weir_lab::{Agent, cpu_idle};

use super::events::{Events, round};
use super::stage::Stage;

/// The running kernel's release.
pub(super) fn kernel() -> Result<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    Ok(release.trim().to_owned())
}

/// What the bottleneck carries when more than enough is sent, in Mbit/s on the wire.
pub(super) fn true_rate(events: &Events) -> Result<f64> {
    events.step("link", "measuring what the link really carries", 4);
    let stage = Stage::build(false)?;
    let mbit = u32::try_from(stage.link_mbit() * 3 / 2)?;
    let flood = stage.start_load(mbit, Duration::from_secs(5))?;
    std::thread::sleep(Duration::from_secs(1));
    let before = (Instant::now(), stage.lab.router().bottleneck_stats()?.bytes);
    std::thread::sleep(Duration::from_secs(3));
    let after = stage.lab.router().bottleneck_stats()?.bytes;
    let rate = mbit_of(after - before.1, before.0.elapsed());
    flood.finish()?;
    Ok(rate)
}

/// A number of bytes within a time, in Mbit/s.
pub(super) fn mbit_of(bytes: u64, time: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss)] // seconds of a 20 Mbit/s link
    let bits = bytes as f64 * 8.0;
    round(bits / time.as_secs_f64() / 1e6, 2)
}

/// Totals that are read at both ends of a measurement.
pub(super) struct Totals {
    /// Packets dropped on the node and before the link.
    pub(super) drops: u64,
    /// Bytes that left by the link.
    pub(super) wire_bytes: u64,
    cpu: (u64, u64),
}

impl Totals {
    /// Reads them now.
    pub(super) fn read(stage: &Stage, agent: Option<&Agent>) -> Result<Self> {
        let bottleneck = stage.lab.router().bottleneck_stats()?;
        let node: u64 =
            stage.node.ns().qdiscs("eth0")?.iter().filter(|qdisc| qdisc.root).map(|qdisc| qdisc.drops).sum();
        let weir = match agent {
            Some(agent) => agent.metrics()?.sum("weir_tier_dropped_packets_total", &[]).unwrap_or_default(),
            None => 0.0,
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a counter of packets
        let weir = weir as u64;
        Ok(Self { drops: bottleneck.drops + node + weir, wire_bytes: bottleneck.bytes, cpu: cpu_idle()? })
    }

    /// How idle the machine's CPUs were since an earlier reading.
    pub(super) fn idle_percent_since(&self, before: &Self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // ticks of some seconds
        let share = (self.cpu.0 - before.cpu.0) as f64 / (self.cpu.1 - before.cpu.1).max(1) as f64;
        round(share * 100.0, 1)
    }
}
