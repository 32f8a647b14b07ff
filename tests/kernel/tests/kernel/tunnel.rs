//! A pod whose VPN sidecar sends everything as one WireGuard flow is limited like any other.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::traffic::{Congestion, Iperf, IperfOptions, Load};
use weir_lab::{PodOptions, Tunnel};

use crate::world::{BULK, LE, World};

const CEILING_MBIT: f64 = 8.0;
const SETTLE: Duration = Duration::from_secs(3);
/// Longer than any test measures; a load ends with its test.
const LENGTH: Duration = Duration::from_mins(1);
const WIREGUARD: u16 = 51820;

/// Sends a load through the tunnel and, beside it, a call to an address outside of it, which has to take it too.
fn through_a_tunnel(pod: PodOptions, load: Load, range: RangeInclusive<f64>) -> Result<()> {
    let world = World::new()?;
    world.tier(&json!({"ceiling": "8M", "dscp": "LE"}))?;
    let pod = world.pod("seed", pod, BULK)?;
    let internet = world.lab.internet();
    let tunnel = Tunnel::start(&pod, internet, 0)?;
    let _agent = world.agent()?;
    let options = IperfOptions { load, to: tunnel.internet_at(5201), length: LENGTH, type_of_service: 0 };
    let _bulk = Iperf::start(pod.ns(), internet.ns(), &options)?;
    let _call = world.call(&pod)?;
    std::thread::sleep(SETTLE);
    let seen = world.watch(&pod)?;
    world.ensure_rate("through the tunnel", CEILING_MBIT, range)?;

    let packets = seen.drain();
    let flows: BTreeSet<_> = packets.iter().map(|packet| packet.udp).collect();
    ensure!(flows == BTreeSet::from([Some((WIREGUARD, WIREGUARD))]), "not one WireGuard flow, but UDP ports {flows:?}");
    let unmarked = packets.iter().filter(|packet| packet.dscp != LE).count();
    ensure!(unmarked == 0, "{unmarked} of {} packets do not carry the tier's mark", packets.len());
    Ok(())
}

#[test]
fn cubic_in_a_tunnel_keeps_to_the_tiers_ceiling() -> Result<()> {
    let cubic = Load::Tcp { streams: 4, congestion: Congestion::Cubic };
    through_a_tunnel(PodOptions::default(), cubic, 0.95..=1.02)
}

#[test]
fn a_udp_flood_in_a_tunnel_keeps_to_the_tiers_ceiling() -> Result<()> {
    through_a_tunnel(PodOptions::default(), Load::Udp { rate_bits: 24_000_000 }, 0.97..=1.02)
}

#[test]
fn a_bridged_pods_tunnel_keeps_to_the_tiers_ceiling() -> Result<()> {
    through_a_tunnel(PodOptions::bridged(), Load::Udp { rate_bits: 24_000_000 }, 0.97..=1.02)
}
