//! Who gets how much of the uplink: guarantee, borrowing, and nobody else made to wait.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::PodOptions;
use weir_lab::traffic::{Iperf, IperfOptions, Summary};

use crate::world::{BULK, World, ensure_ratio};

const SETTLE: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(6);
const LENGTH: Duration = Duration::from_secs(11);

#[test]
fn an_idle_link_is_lent_whole() -> Result<()> {
    let world = World::behind_a_bottleneck()?;
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "3%"}))?;
    world.tier(&json!({"guarantee": "1M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    let bulk = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::cubic(internet.at(5201), 8, LENGTH))?;
    std::thread::sleep(SETTLE);
    let rate = world.rate(MEASURE)?;
    bulk.finish()?;
    ensure_ratio("rate on the wire", rate, 20.0 * 0.97, 0.95..=1.01)
}

#[test]
fn a_guarantee_holds_beside_an_interactive_overload() -> Result<()> {
    let world = World::new()?;
    world.tier(&json!({"guarantee": "4M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let other = world.pod("other", PodOptions::default(), &[])?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    // 25 Mbit/s of payload on a link of 20: nothing is left over, so bulk lives on its guarantee.
    let overload = Iperf::start(other.ns(), internet.ns(), &IperfOptions::udp(internet.at(5201), 25_000_000, LENGTH))?;
    let bulk = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::udp(internet.at(5202), 12_000_000, LENGTH))?;
    std::thread::sleep(SETTLE);
    let from = Instant::now();
    std::thread::sleep(MEASURE);
    let to = Instant::now();
    let payload = bulk.finish()?.mbit(from, to);
    let others = overload.finish()?.mbit(from, to);
    ensure_ratio("bulk on the wire", IperfOptions::udp_on_wire(payload), 4.0, 0.95..=1.05)?;
    ensure_ratio("others' payload", others, 25.0, 0.97..=1.01)
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
    let load = Iperf::start(other.ns(), internet.ns(), &IperfOptions::udp(internet.at(5201), 12_000_000, LENGTH))?;
    let bulk = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::cubic(internet.at(5202), 8, LENGTH))?;
    std::thread::sleep(SETTLE);
    let rate = world.rate(MEASURE)?;
    bulk.finish()?;
    load.finish()?;
    ensure_ratio("both on the wire", rate, 20.0 * 0.97, 0.92..=1.01)
}

/// The call's p99 in ms while the seed floods the link by UDP, after `settle`.
fn call_beside_a_flood(world: &World, port: u16) -> Result<Summary> {
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let phone = world.pod("phone", PodOptions::default(), &[])?;
    let internet = world.lab.internet();
    // The agent has to know both before the flood begins; without an agent this only waits.
    std::thread::sleep(Duration::from_secs(1));
    let call = world.call(&phone)?;
    let flood = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::udp(internet.at(port), 30_000_000, LENGTH))?;
    std::thread::sleep(SETTLE);
    let from = Instant::now();
    std::thread::sleep(MEASURE);
    let to = Instant::now();
    flood.finish()?;
    Ok(Summary::of(&call.finish()?, from, to))
}

#[test]
fn a_udp_flood_does_not_hurt_a_call() -> Result<()> {
    let world = World::behind_a_bottleneck()?;
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "3%"}))?;
    world.tier(&json!({"guarantee": "1M"}))?;
    let without = call_beside_a_flood(&world, 5201)?;
    let _agent = world.agent()?;
    let with = call_beside_a_flood(&world, 5202)?;
    // The round trip alone is 20 ms.
    let added = |summary: &Summary| summary.p99_ms - 20.0;
    ensure!(added(&without) > 150.0, "the bottleneck is none: {without:?}");
    ensure!(added(&with) < added(&without) / 8.0, "with {with:?}, without {without:?}");
    ensure!(with.lost == 0, "{with:?}");
    Ok(())
}
