//! Marks: the tier's DSCP on every packet, congestion experienced on flows that understand it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::PodOptions;
use weir_lab::traffic::{Iperf, IperfOptions};

use crate::world::{BULK, LE, TIER, World};

/// ECN bits of a packet that a router has marked (RFC 3168).
const CONGESTION_EXPERIENCED: u8 = 3;
/// Values of `net.ipv4.tcp_ecn`.
const ECN_OFF: &str = "0";
const ECN_ASK: &str = "1";

#[test]
fn packets_of_the_tier_carry_its_dscp_in_both_protocols() -> Result<()> {
    let world = World::new()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let other = world.pod("other", PodOptions::default(), &[])?;
    let _agent = world.agent()?;
    let calls = [world.call(&seed)?, world.call_v6(&seed)?, world.call(&other)?, world.call_v6(&other)?];
    world.wait_marked(&seed, true)?;
    let (marked, plain) = (world.watch(&seed)?, world.watch(&other)?);
    std::thread::sleep(Duration::from_secs(1));
    let (marked, plain) = (marked.drain(), plain.drain());
    drop(calls);
    for v6 in [false, true] {
        ensure!(marked.iter().filter(|packet| packet.source.is_ipv6() == v6).count() > 20, "v6 {v6}: too few packets");
    }
    ensure!(marked.iter().filter(|packet| !is_neighbour_discovery(packet)).all(|packet| packet.dscp == LE));
    ensure!(plain.iter().all(|packet| packet.dscp == 0));
    Ok(())
}

/// Neighbour discovery between a pod and its node does not reach the uplink, but let no other kind of
/// packet than the calls' (172 bytes of payload) decide.
fn is_neighbour_discovery(packet: &weir_lab::Seen) -> bool {
    packet.length < 172
}

/// Sends bulk with ECN on or off under a tight ceiling and counts the marked packets.
fn marked_packets(ecn: &str, ceiling: &str) -> Result<(usize, f64)> {
    let world = World::new()?;
    world.tier(&json!({"ceiling": ceiling}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    seed.ns().sysctl("net/ipv4/tcp_ecn", ecn)?;
    world.lab.internet().ns().sysctl("net/ipv4/tcp_ecn", ecn)?;
    let agent = world.agent()?;
    let internet = world.lab.internet();
    let capture = world.watch(&seed)?;
    let bulk = IperfOptions::cubic(internet.at(5201), 4, Duration::from_secs(5));
    Iperf::start(seed.ns(), internet.ns(), &bulk)?.finish()?;
    let marked = capture.drain().iter().filter(|packet| packet.ecn == CONGESTION_EXPERIENCED).count();
    let counted = agent.metrics()?.sum("weir_tier_marked_packets_total", &[("tier", TIER)]).unwrap_or_default();
    Ok((marked, counted))
}

#[test]
fn flows_with_ecn_are_marked() -> Result<()> {
    for ceiling in ["5M", "500k"] {
        let (marked, counted) = marked_packets(ECN_ASK, ceiling)?;
        ensure!(marked > 0 && counted > 0.0, "{ceiling}: {marked} packets seen with a mark, {counted} counted");
    }
    Ok(())
}

#[test]
fn flows_without_ecn_are_never_marked() -> Result<()> {
    let (marked, counted) = marked_packets(ECN_OFF, "5M")?;
    ensure!(marked == 0 && counted == 0.0, "{marked} packets seen with a mark, {counted} counted");
    Ok(())
}
