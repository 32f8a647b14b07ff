//! Who gets how much of the uplink: guarantee, borrowing, and nobody else made to wait.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::PodOptions;
use weir_lab::traffic::{Congestion, Iperf, IperfOptions, Load, Summary};

use crate::world::{BULK, World, best_of_three};

const SETTLE: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(6);
const LENGTH: Duration = Duration::from_secs(11);
/// Longer than any test measures; such a load ends with its test.
const LONG: Duration = Duration::from_mins(1);

/// Fails unless `actual` lies within these multiples of `expected`.
fn ensure_ratio(what: &str, actual: f64, expected: f64, range: RangeInclusive<f64>) -> Result<()> {
    let ratio = actual / expected;
    ensure!(range.contains(&ratio), "{what}: {actual:.2}, which is {ratio:.3} of {expected:.2} (allowed: {range:?})");
    Ok(())
}

#[test]
fn an_idle_link_is_lent_whole() -> Result<()> {
    let world = World::behind_a_bottleneck()?;
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "3%"}))?;
    world.tier(&json!({"guarantee": "1M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    let _bulk = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::cubic(internet.at(5201), 8, LONG))?;
    std::thread::sleep(SETTLE);
    world.ensure_rate("bulk alone", 20.0 * 0.97, 0.95..=1.01)
}

#[test]
fn a_guarantee_holds_beside_an_interactive_overload() -> Result<()> {
    let world = World::new()?;
    // Half of what an emulated machine can send without a stall.
    world.node.objects().apply_uplink(&json!({"capacity": "10M", "headroom": "0%"}))?;
    world.tier(&json!({"guarantee": "2M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let other = world.pod("other", PodOptions::default(), &[])?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    best_of_three(|| {
        // 12.5 Mbit/s of payload on a link of 10: nothing is left over, so bulk lives on its guarantee.
        let overload = IperfOptions::udp(internet.at(5201), 12_500_000, LENGTH);
        let overload = Iperf::start(other.ns(), internet.ns(), &overload)?;
        let bulk = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::udp(internet.at(5202), 6_000_000, LENGTH))?;
        std::thread::sleep(SETTLE);
        let from = Instant::now();
        std::thread::sleep(MEASURE);
        let to = Instant::now();
        let payload = bulk.finish()?.mbit(from, to);
        let others = overload.finish()?.mbit(from, to);
        ensure_ratio("bulk on the wire", IperfOptions::udp_on_wire(payload), 2.0, 0.90..=1.05)?;
        ensure_ratio("others' payload", others, 12.5, 0.97..=1.01)
    })
}

#[test]
fn bulk_takes_what_others_leave() -> Result<()> {
    let world = World::behind_a_bottleneck()?;
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "3%"}))?;
    world.tier(&json!({"guarantee": "1M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let other = world.pod("other", PodOptions::default(), &[])?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    let _load = Iperf::start(other.ns(), internet.ns(), &IperfOptions::udp(internet.at(5201), 12_000_000, LONG))?;
    let _bulk = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::cubic(internet.at(5202), 8, LONG))?;
    std::thread::sleep(SETTLE);
    world.ensure_rate("both", 20.0 * 0.97, 0.90..=1.01)
}

/// A call while the seed sends as much as it can.
fn call_beside(world: &World, load: Load, port: u16) -> Result<Summary> {
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let phone = world.pod("phone", PodOptions::default(), &[])?;
    let internet = world.lab.internet();
    // The agent has to know both before it begins; without an agent this only waits.
    std::thread::sleep(Duration::from_secs(1));
    let call = world.call(&phone)?;
    let options = IperfOptions { load, to: internet.at(port), length: LENGTH, type_of_service: 0 };
    let bulk = Iperf::start(seed.ns(), internet.ns(), &options)?;
    std::thread::sleep(SETTLE);
    let from = Instant::now();
    std::thread::sleep(MEASURE);
    let to = Instant::now();
    bulk.finish()?;
    Ok(Summary::of(&call.finish()?, from, to))
}

#[test]
fn nothing_that_bulk_sends_hurts_a_call() -> Result<()> {
    let flood = Load::Udp { rate_bits: 30_000_000 };
    let cubic = Load::Tcp { streams: 8, congestion: Congestion::Cubic };
    let bbr = Load::Tcp { streams: 8, congestion: Congestion::Bbr };
    let world = World::behind_a_bottleneck()?;
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "3%"}))?;
    world.tier(&json!({"guarantee": "1M"}))?;
    // The round trip alone is 20 ms. How close to that a quiet machine gets, the benchmark says; here a
    // busy one must pass too.
    let added = |summary: &Summary| summary.p99_ms - 20.0;
    let without = call_beside(&world, flood, 5201)?;
    ensure!(added(&without) > 150.0, "the bottleneck is none: {without:?}");
    let _agent = world.agent()?;
    for (load, port) in [flood, cubic, bbr].into_iter().zip(5202..) {
        best_of_three(|| {
            let with = call_beside(&world, load, port)?;
            ensure!(added(&with) < added(&without) / 4.0, "{load:?}: with {with:?}, without {without:?}");
            ensure!(with.lost == 0, "{load:?}: {with:?}");
            Ok(())
        })?;
    }
    Ok(())
}
