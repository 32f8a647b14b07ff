//! Pods that send far more than their tier may, and whether they are held to it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use weir_lab::traffic::{Call, CallOptions};
use weir_lab::{Counters, Netns, Pod};

use crate::world::{World, is_enough, until_enough};

/// What the tier may send, in Mbit/s on the wire.
pub(crate) const CEILING_MBIT: f64 = 2.0;
/// A part of what is offered may pass while a clock's burst and horizon are used up.
const HELD: RangeInclusive<f64> = 0.85..=1.06;
const SETTLE: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_millis(2_500);
/// Nobody listens there, and nobody has to.
pub(crate) const DISCARD: u16 = 9;
/// Six times the ceiling.
const FLOOD: CallOptions = CallOptions { rate: 1_000, size: 1_400, segment: 0 };

/// Sends 12 Mbit/s of UDP from a namespace, over IPv4 or IPv6, for as long as it lives.
pub(crate) fn flood(world: &World, from: &Netns, v6: bool) -> Result<Call> {
    let internet = world.lab.internet();
    flood_to(from, if v6 { internet.at_v6(DISCARD) } else { internet.at(DISCARD) })
}

/// The same to anybody.
pub(crate) fn flood_to(from: &Netns, to: SocketAddr) -> Result<Call> {
    Call::start(from, to, FLOOD)
}

impl World {
    /// Limits the tier to [`CEILING_MBIT`].
    pub(crate) fn limit(&self) -> Result<()> {
        self.tier(&json!({"ceiling": "2M", "dscp": "LE"}))
    }

    /// Fails unless what a pod sends to the internet arrives at the ceiling's rate.
    pub(crate) fn ensure_held(&self, what: &str, pod: &Pod, v6: bool) -> Result<()> {
        let _flood = flood(self, pod.ns(), v6)?;
        std::thread::sleep(SETTLE);
        self.ensure_arrives(what, CEILING_MBIT, HELD)
    }

    /// Fails unless what arrives at the internet host is within these multiples of `mbit`.
    pub(crate) fn ensure_arrives(&self, what: &str, mbit: f64, range: RangeInclusive<f64>) -> Result<()> {
        until_enough(|| is_enough(what, self.arrives()?, mbit, &range))
    }

    /// Waits until what arrives at the internet host is the ceiling, as it is soon after something that a change brings
    /// about.
    pub(crate) fn wait_held(&self, what: &str) -> Result<()> {
        let mut arrived = Vec::new();
        for _ in 0..8 {
            let mbit = self.arrives()?;
            if HELD.contains(&(mbit / CEILING_MBIT)) {
                return Ok(());
            }
            arrived.push(mbit);
        }
        bail!("{what}: {arrived:.2?} Mbit/s arrive")
    }

    /// What arrives at the internet host, in Mbit/s on the wire.
    pub(crate) fn arrives(&self) -> Result<f64> {
        rate_of(self.lab.internet().ns(), "eth0", MEASURE)
    }
}

/// What an interface receives for `time`, in Mbit/s on the wire.
fn rate_of(ns: &Netns, interface: &str, time: Duration) -> Result<f64> {
    let before = (std::time::Instant::now(), Counters::read(ns, interface)?);
    std::thread::sleep(time);
    let after = Counters::read(ns, interface).with_context(|| format!("{interface} is gone"))?;
    #[allow(clippy::cast_precision_loss)] // bytes of some seconds
    let bits = (after.rx_bytes - before.1.rx_bytes) as f64 * 8.0;
    Ok(bits / before.0.elapsed().as_secs_f64() / 1e6)
}

/// Returns whether this kernel has tcx (6.6).
pub(crate) fn has_tcx() -> Result<bool> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 6))
}
