//! Which interface leads to an uplink, and what does not cross it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_lab::PodOptions;

use crate::held::{DISCARD, flood, flood_to};
use crate::world::{BULK, World, eventually};

/// The interfaces of an uplink, as `weir status` has them.
fn interfaces(world: &World, uplink: &str) -> Result<Vec<String>> {
    let status = world.status()?;
    let uplinks = status["uplinks"].as_array().into_iter().flatten();
    let found = uplinks.filter(|found| found["name"] == uplink).flat_map(|found| {
        let interfaces = found["desired"]["interfaces"].as_array().cloned().unwrap_or_default();
        interfaces.into_iter().filter_map(|interface| interface["name"].as_str().map(str::to_owned))
    });
    Ok(found.collect())
}

fn wait_interfaces(world: &World, uplink: &str, expected: &[&str]) -> Result<()> {
    eventually(|| {
        let found = interfaces(world, uplink)?;
        ensure!(found == expected, "Uplink {uplink} has {found:?}, not {expected:?}");
        Ok(())
    })
}

/// Another NIC of the node, that leads nowhere.
fn second_nic(world: &World) -> Result<()> {
    world.node.ns().ip(&[
        "link add lte0 numtxqueues 1 numrxqueues 1 type veth peer name lte-wire",
        "link set lte-wire up",
        "link set lte0 up",
        "addr add 198.51.100.1/24 dev lte0",
        "neigh add 198.51.100.254 lladdr 02:00:00:00:00:09 dev lte0 nud permanent",
    ])
}

#[test]
fn the_uplink_is_where_public_addresses_are_reached() -> Result<()> {
    let world = World::new()?;
    let _other = world.pod("other", PodOptions::default(), BULK)?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    second_nic(&world)?;
    let _agent = world.agent()?;
    let node = world.node.ns();
    wait_interfaces(&world, "wan", &["eth0"])?;

    // A VPN that takes everything by two halves.
    let halves = ["route add 0.0.0.0/1 via 198.51.100.254", "route add 128.0.0.0/1 via 198.51.100.254"];
    node.ip(&halves)?;
    node.run(&["ip", "-6", "route", "del", "default"])?;
    wait_interfaces(&world, "wan", &["lte0"])?;
    node.ip(&halves.map(|line| line.replace("add", "del")))?;
    wait_interfaces(&world, "wan", &["eth0"])?;

    // wg-quick and Tailscale: a table of its own that a rule chooses.
    node.ip(&["route add default via 198.51.100.254 table 52", "rule add priority 100 not fwmark 0x80000 table 52"])?;
    wait_interfaces(&world, "wan", &["lte0"])?;
    node.ip(&["rule del priority 100"])?;
    wait_interfaces(&world, "wan", &["eth0"])?;

    // Rules that send the pod alone elsewhere, not the first that is asked.
    let pod = seed.addresses()[0];
    for rule in [format!("from {pod} table 52"), format!("iif {} table 52", seed.host_interface())] {
        node.ip(&[format!("rule add priority 100 {rule}")])?;
        wait_interfaces(&world, "wan", &["eth0", "lte0"])?;
        node.ip(&["rule del priority 100"])?;
        wait_interfaces(&world, "wan", &["eth0"])?;
    }

    // Two paths of one route: both lead to the one line, whose clock they share.
    let router = world.lab.router().lan_address();
    node.ip(&[format!("route replace default nexthop via {router} dev eth0 nexthop via 198.51.100.254 dev lte0")])?;
    wait_interfaces(&world, "wan", &["eth0", "lte0"])?;
    node.ip(&[format!("route replace default via {router} dev eth0")])?;
    wait_interfaces(&world, "wan", &["eth0"])?;

    // A second default route with a worse metric carries nothing.
    node.ip(&["route add default via 198.51.100.254 metric 500"])?;
    wait_interfaces(&world, "wan", &["eth0"])?;

    // A pod's own interface is no uplink, whatever a route says.
    let gateway = seed.addresses()[0];
    node.ip(&[format!("route replace default via {gateway} dev {} onlink", seed.host_interface())])?;
    eventually(|| {
        ensure!(interfaces(&world, "wan")?.is_empty(), "a pod's interface leads to the uplink");
        let notes = world.notes_on("Uplink wan")?;
        ensure!(notes == ["InterfaceOfPod"], "{notes:?}");
        Ok(())
    })
}

#[test]
fn a_backup_line_has_limits_of_its_own_and_a_pod_without_any_there_is_named() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    second_nic(&world)?;
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "weir.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let backup = object("Uplink", "backup", json!({"capacity": "1M", "headroom": "0%", "interface": {"name": "lte0"}}));
    world.node.objects().apply("backup.yaml", std::slice::from_ref(&backup))?;
    let _agent = world.agent()?;
    let node = world.node.ns();
    wait_interfaces(&world, "wan", &["eth0"])?;

    // The main line fails: the default route goes over the backup line, which is not the uplink `wan` now.
    node.ip(&["route replace default via 198.51.100.254"])?;
    node.run(&["ip", "-6", "route", "del", "default"])?;
    wait_interfaces(&world, "wan", &[])?;
    let _flood = flood(&world, seed.ns(), false)?;
    world.wait_noted("Pod default/seed", "NoTierThere")?;

    let slow = object(
        "TrafficTier",
        "slow",
        json!({"uplink": "backup", "podSelector": {"matchLabels": {"traffic-tier": "bulk"}}, "ceiling": "500k"}),
    );
    world.node.objects().apply("backup.yaml", &[backup, slow])?;
    std::thread::sleep(Duration::from_secs(2));
    world.ensure_rate_of("lte0", "on the backup line", 0.5, 0.85..=1.06)
}

#[test]
fn a_named_uplink_says_that_the_internet_is_reached_elsewhere() -> Result<()> {
    let world = World::new()?;
    second_nic(&world)?;
    let interface = json!({"name": "eth0"});
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "interface": interface}))?;
    let _agent = world.agent()?;
    wait_interfaces(&world, "wan", &["eth0"])?;
    ensure!(world.notes_on("Uplink wan")?.is_empty(), "the internet is reached by eth0");
    let node = world.node.ns();
    node.ip(&["route replace default via 198.51.100.254"])?;
    node.run(&["ip", "-6", "route", "del", "default"])?;
    world.wait_noted("Uplink wan", "RouteElsewhere")
}

#[test]
fn a_lan_with_public_addresses_is_not_the_uplink() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let tv = world.lab.client("tv")?;
    let node = world.node.ns();
    // The LAN has public addresses as well, IPv4 and IPv6.
    for (ns, number) in [(node, 1), (tv.ns(), 2)] {
        ns.ip(&[
            format!("addr add 198.51.100.{number}/24 dev eth0"),
            format!("addr add 2001:db8:1::{number}/64 dev eth0 nodad"),
        ])?;
    }
    // The way back to the pod.
    tv.ns().ip(&["route add 10.244.1.0/24 via 198.51.100.1", "route add fd00:244:0:1::/64 via 2001:db8:1::1"])?;
    let _agent = world.agent()?;
    let received = |what: &str, expected: std::ops::RangeInclusive<f64>| {
        let before = weir_lab::Counters::read(tv.ns(), "eth0")?.rx_bytes;
        std::thread::sleep(Duration::from_secs(2));
        #[allow(clippy::cast_precision_loss)] // bytes of two seconds
        let mbit = (weir_lab::Counters::read(tv.ns(), "eth0")?.rx_bytes - before) as f64 * 8.0 / 2e6;
        ensure!(expected.contains(&mbit), "{what}: {mbit:.2} Mbit/s");
        Ok(())
    };
    let to: [SocketAddr; 2] =
        [format!("198.51.100.2:{DISCARD}").parse()?, format!("[2001:db8:1::2]:{DISCARD}").parse()?];
    for to in to {
        let _flood = flood_to(seed.ns(), to)?;
        std::thread::sleep(Duration::from_millis(500));
        received(&format!("to {to}"), 10.0..=13.0)?;
    }
    // Where the node itself is the router, its neighbours are beyond the line.
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "exemptOnLink": false}))?;
    std::thread::sleep(Duration::from_secs(1));
    let _flood = flood_to(seed.ns(), to[0])?;
    std::thread::sleep(Duration::from_secs(1));
    received("not exempt", 1.5..=2.5)
}
