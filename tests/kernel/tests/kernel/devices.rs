//! Uplinks on devices that hold no packets themselves: a VLAN, whose lower device does, and a bond, whose ports do.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::PodOptions;
use weir_lab::traffic::{Call, CallOptions};

use crate::world::{BULK, World};

/// Somebody on the far side of the device, who never answers.
const FAR: &str = "198.51.100.2";
const SETTLE: Duration = Duration::from_secs(1);

/// Sends 12 Mbit/s over the uplink `device` and expects that `carrier` has an `fq` and sends no more than the ceiling.
fn is_shaped(world: &World, device: &str, carrier: &str) -> Result<()> {
    let node = world.node.ns();
    node.ip(&[
        format!("link set {device} up"),
        format!("addr add 198.51.100.1/24 dev {device}"),
        format!("neigh add {FAR} lladdr 02:00:00:00:00:09 dev {device} nud permanent"),
    ])?;
    let interface = json!({"name": device});
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "interface": interface}))?;
    world.tier(&json!({"ceiling": "4M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let before = node.qdiscs(carrier)?[0].kind.clone();
    let agent = world.agent()?;

    let kinds = (node.qdiscs(device)?[0].kind.clone(), node.qdiscs(carrier)?[0].kind.clone());
    ensure!(kinds == ("noqueue".to_owned(), "fq".to_owned()), "{device} has {}, {carrier} has {}", kinds.0, kinds.1);
    let flood = Call::start(seed.ns(), format!("{FAR}:9").parse()?, CallOptions { rate: 1_000, size: 1_400 })?;
    std::thread::sleep(SETTLE);
    world.ensure_rate_of(carrier, "under the ceiling", 4.0, 0.95..=1.03)?;

    drop((flood, agent));
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
