//! `IdentityLost`: raised where packets of a tier's pod arrive without their pod, and by nothing else.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_lab::traffic::Call;
use weir_lab::{Masquerade, NodeOptions, PodOptions};

use crate::held::{DISCARD, flood, flood_to};
use crate::interference::filter;
use crate::world::{BULK, TIER, World};

/// Longer than two looks at the counters.
const LOOKED: Duration = Duration::from_secs(13);

fn tier() -> String {
    format!("TrafficTier {TIER}")
}

#[test]
fn a_tier_whose_packets_lose_their_pod_says_so() -> Result<()> {
    let world = World::with(None, NodeOptions { masquerade: Masquerade::RandomPorts, ..NodeOptions::default() })?;
    world.limit()?;
    let seed = world.pod("seed", PodOptions::bridged(), BULK)?;
    let _agent = world.agent()?;
    let node = world.node.ns();
    // Behind Weir's program on the bridge, and before the address is translated.
    filter(node, "cni0", "ingress protocol all prio 9", "forget")?;
    let _flood = flood(&world, seed.ns(), false)?;
    world.wait_noted(&tier(), "IdentityLost")?;
    let status = world.status()?;
    let text = status["notes"].to_string();
    ensure!(text.contains("Pod default/seed"), "the pod is not named: {text}");
    Ok(())
}

/// Lets everything run for a while, and fails if the tier is said to lose anything.
fn ensure_never_raised(world: &World, what: &str, traffic: Vec<Call>) -> Result<()> {
    std::thread::sleep(LOOKED);
    let notes = world.notes_on(&tier())?;
    ensure!(notes.is_empty(), "{what}: {notes:?}");
    drop(traffic);
    Ok(())
}

#[test]
fn strangers_and_pods_among_themselves_degrade_no_tier() -> Result<()> {
    let world = World::with(None, NodeOptions { masquerade: Masquerade::RandomPorts, ..NodeOptions::default() })?;
    world.limit()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let web = world.pod("web", PodOptions::default(), &[])?;
    // A container of another runtime, behind a bridge and an address range of its own. A VM behind a tap is a port of
    // such a bridge, too: to the node both are forwarded, and of no pod that it knows.
    let docker = world.node.pod("docker", PodOptions::bridged())?;
    world.node.ns().ip(&[
        "link add docker0 up type bridge".to_owned(),
        "address add 172.17.0.1/16 dev docker0".to_owned(),
        format!("link set {} master docker0", docker.host_interface()),
    ])?;
    docker.ns().ip(&["address add 172.17.0.2/16 dev eth0", "route replace default via 172.17.0.1"])?;
    let _agent = world.agent()?;

    let to_web = (web.addresses()[0], DISCARD).into();
    let pods = flood_to(seed.ns(), to_web)?;
    let stranger = flood(&world, docker.ns(), false)?;
    ensure_never_raised(&world, "pod to pod, beside docker0", vec![pods, stranger])?;

    // To the same place at the same time.
    let both = vec![flood(&world, seed.ns(), false)?, flood(&world, docker.ns(), false)?];
    ensure_never_raised(&world, "the same destination", both)?;

    // A LAN behind another router of the node's.
    let tv = world.lab.client("tv")?;
    world.node.ns().ip(&[format!("route add 198.18.0.0/15 via {}", tv.v4())])?;
    let routed = flood_to(seed.ns(), format!("198.18.0.1:{DISCARD}").parse()?)?;
    let stranger = flood(&world, docker.ns(), false)?;
    ensure_never_raised(&world, "a routed LAN", vec![routed, stranger])?;
    // Nobody's packets were there, and were looked for among the samples.
    let uplinks = world.status()?["uplinks"].clone();
    let forwarded = uplinks[0]["observed"]["forwarded_bytes"].as_u64();
    ensure!(forwarded.is_some_and(|bytes| bytes > 1_000_000), "{forwarded:?} bytes of strangers crossed the uplink");
    Ok(())
}
