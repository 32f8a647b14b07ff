//! Uplinks on devices that hold no packets themselves: a VLAN, whose lower device does, and a bond, whose ports do.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::traffic::{Call, CallOptions};
use weir_lab::{Counters, PodOptions};

use crate::world::{BULK, World};

/// A router on the far side of the device, who never answers.
const FAR: &str = "198.51.100.2";
/// Somebody behind it: addresses on the device's own link are exempt.
const BEYOND: &str = "203.0.113.9";
const SETTLE: Duration = Duration::from_secs(1);

/// Sends 12 Mbit/s over the uplink `device` and expects that `carrier` has an `fq` and sends no more than the ceiling.
fn is_shaped(world: &World, device: &str, carrier: &str) -> Result<()> {
    let node = world.node.ns();
    node.ip(&[
        format!("link set {device} up"),
        format!("addr add 198.51.100.1/24 dev {device}"),
        format!("neigh add {FAR} lladdr 02:00:00:00:00:09 dev {device} nud permanent"),
        format!("route add {BEYOND} via {FAR} dev {device}"),
    ])?;
    let interface = json!({"name": device});
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "interface": interface}))?;
    world.tier(&json!({"ceiling": "4M"}))?;
    let pods = [world.pod("routed", PodOptions::default(), BULK)?, world.pod("bridged", PodOptions::bridged(), BULK)?];
    let before = node.qdiscs(carrier)?[0].kind.clone();
    let agent = world.agent()?;

    let kinds = (node.qdiscs(device)?[0].kind.clone(), node.qdiscs(carrier)?[0].kind.clone());
    ensure!(kinds == ("noqueue".to_owned(), "fq".to_owned()), "{device} has {}, {carrier} has {}", kinds.0, kinds.1);
    let to = format!("{BEYOND}:9").parse()?;
    for pod in &pods {
        let _flood = Call::start(pod.ns(), to, CallOptions { rate: 1_000, size: 1_400, segment: 0 })?;
        std::thread::sleep(SETTLE);
        world.ensure_rate_of(carrier, &format!("the {} pod under the ceiling", pod.name()), 4.0, 0.95..=1.03)?;
    }

    drop(agent);
    world.cleanup()?;
    let after = node.qdiscs(carrier)?[0].kind.clone();
    ensure!(after == before, "{carrier} had {before}, and after cleanup has {after}");
    Ok(())
}

#[test]
fn packets_of_a_vlan_wait_on_its_lower_device() -> Result<()> {
    let world = World::new()?;
    world.node.ns().ip(&["link add link eth0 name eth0.7 type vlan id 7"])?;
    is_shaped(&world, "eth0.7", "eth0")
}

#[test]
fn packets_of_a_bond_wait_on_its_port() -> Result<()> {
    let world = World::new()?;
    world.node.ns().ip(&[
        "link add bond0 type bond mode active-backup",
        "link add port0 numtxqueues 1 numrxqueues 1 type veth peer name wire0",
        "link set wire0 up",
        "link set port0 master bond0",
        "link set port0 up",
    ])?;
    is_shaped(&world, "bond0", "port0")
}

#[test]
fn a_device_without_a_link_layer_is_shaped_and_its_bursts_are_split() -> Result<()> {
    let world = World::new()?;
    let node = world.node.ns();
    let router = world.lab.router().lan_address();
    node.ip(&[
        format!("link add tun0 type ipip local {} remote {router}", world.node.v4()),
        "link set tun0 up".to_owned(),
        "addr add 198.51.100.1/24 dev tun0".to_owned(),
        format!("route add {BEYOND} via {FAR} dev tun0"),
    ])?;
    let interface = json!({"name": "tun0"});
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "interface": interface}))?;
    world.tier(&json!({"ceiling": "4M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let to = format!("{BEYOND}:9").parse()?;
    let flood = Call::start(seed.ns(), to, CallOptions { rate: 1_000, size: 1_400, segment: 0 })?;
    std::thread::sleep(SETTLE);
    world.ensure_rate_of("tun0", "under the ceiling", 4.0, 0.95..=1.03)?;
    drop(flood);

    // Under the ceiling a burst's end would be lost.
    world.tier(&json!({}))?;
    std::thread::sleep(SETTLE);
    let before = Counters::read(node, "tun0")?;
    let bursts = Call::start(seed.ns(), to, CallOptions { rate: 4, size: 43 * 1_400, segment: 1_400 })?;
    std::thread::sleep(Duration::from_secs(2));
    drop(bursts);
    let after = Counters::read(node, "tun0")?;
    let (bytes, packets) = (after.tx_bytes - before.tx_bytes, after.tx_packets - before.tx_packets);
    ensure!(packets > 43 * 6, "{packets} packets left");
    ensure!(bytes / packets < 1_500, "{bytes} bytes left in {packets} packets");
    Ok(())
}
