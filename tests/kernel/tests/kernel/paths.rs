//! Ways of a packet through the node on which its pod's interface is not the one by which it seems to have come.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_lab::traffic::{Call, CallOptions};
use weir_lab::{Counters, Masquerade, Netns, NodeOptions, Pod, PodCgroup, PodOptions, Process, pod_object};

use crate::held::{CEILING_MBIT, DISCARD, flood, flood_to};
use crate::world::{BULK, World, eventually, lab_program};

fn masquerading() -> Result<World> {
    let world = World::with(None, NodeOptions { masquerade: Masquerade::RandomPorts, ..NodeOptions::default() })?;
    world.limit()?;
    Ok(world)
}

/// Sends 11 Mbit/s from a process in a pod's cgroup.
fn flood_in(cgroup: &PodCgroup, ns: &Netns, world: &World) -> Result<Process> {
    let (program, to) = (lab_program(), world.lab.internet().at(DISCARD));
    let mut shell = std::process::Command::new("sh");
    let probe = format!("exec {program} probe {to} --rate 1000 --size 1400 --seconds 30");
    shell.args(["-c", &format!("{} {probe}", cgroup.join())]);
    ns.spawn(shell)
}

/// Writes the object of a pod of the tier that has another address than its veth's.
fn apply_at(world: &World, pod: &Pod, address: IpAddr, host_network: bool) -> Result<()> {
    let mut object = pod_object(pod, BULK);
    object["spec"]["hostNetwork"] = json!(host_network);
    object["status"] = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]});
    world.node.objects().apply(&format!("pod-{}.yaml", pod.name()), &[object])
}

#[test]
fn a_pod_in_a_vrf_is_held() -> Result<()> {
    let world = masquerading()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let node = world.node.ns();
    let router = world.lab.router().lan_address();
    node.ip(&[
        "link add vrf1 type vrf table 100".to_owned(),
        "link set vrf1 up".to_owned(),
        format!("link set {} master vrf1", seed.host_interface()),
        format!("route add {}/32 dev {} table 100", seed.addresses()[0], seed.host_interface()),
        format!("route add default via {router} dev eth0 table 100"),
    ])?;
    // The kernel takes an interface's IPv6 addresses away when a VRF takes it.
    let gateway = format!("addr add fe80::ecee:eeff:feee:eeee/64 dev {} nodad", seed.host_interface());
    node.ip(&[gateway, format!("route add default via {} dev eth0 table 100", world.lab.router().lan_v6())])?;
    let _agent = world.agent()?;
    for v6 in [false, true] {
        world.ensure_held(&format!("in a VRF, v6 {v6}"), &seed, v6)?;
    }
    Ok(())
}

#[test]
fn a_pod_is_held_on_its_second_interface_too() -> Result<()> {
    let world = masquerading()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let node = world.node.ns();
    // As Multus makes it: its address is not in the pod's status.
    node.ip(&[
        format!("link add net1-host type veth peer name net1 netns {}", seed.ns().name()),
        "addr add 10.77.0.1/24 dev net1-host".to_owned(),
        "link set net1-host up".to_owned(),
    ])?;
    seed.ns().ip(&[
        "addr add 10.77.0.2/24 dev net1".to_owned(),
        "link set net1 up".to_owned(),
        "route replace default via 10.77.0.1 dev net1".to_owned(),
    ])?;
    let agent = world.agent()?;
    world.ensure_held("by its second interface", &seed, false)?;
    // It is counted on both, each from its beginning.
    eventually(|| {
        let sent = seed.counters()?.tx_packets + Counters::read(seed.ns(), "net1")?.tx_packets;
        let counted = agent.metrics()?.sum("weir_pod_network_transmit_packets_total", &[("pod", "seed")]);
        #[allow(clippy::cast_precision_loss)] // some thousands
        let is_equal = counted == Some(sent as f64);
        ensure!(is_equal, "{counted:?} packets are counted, {sent} were sent");
        Ok(())
    })
}

#[test]
fn fragments_are_held() -> Result<()> {
    for masquerade in [Masquerade::Off, Masquerade::Plain] {
        let world = World::with(None, NodeOptions { masquerade, ..NodeOptions::default() })?;
        world.limit()?;
        let pods = [PodOptions::default(), PodOptions::bridged()];
        let pods = pods.into_iter().zip(["routed", "bridged"]).map(|(options, name)| world.pod(name, options, BULK));
        let pods = pods.collect::<Result<Vec<_>>>()?;
        let _agent = world.agent()?;
        let internet = world.lab.internet();
        for pod in &pods {
            for to in [internet.at(DISCARD), internet.at_v6(DISCARD)] {
                // Each in three frames, 11 Mbit/s.
                let _flood = Call::start(pod.ns(), to, CallOptions { rate: 330, size: 4_000, segment: 0 })?;
                std::thread::sleep(Duration::from_secs(1));
                let what = format!("fragments of the {} pod to {to}, masquerade {masquerade:?}", pod.name());
                world.ensure_arrives(&what, CEILING_MBIT, 0.5..=1.1)?;
            }
        }
    }
    Ok(())
}

#[test]
fn fragments_that_the_node_makes_are_held() -> Result<()> {
    let world = masquerading()?;
    let pod = world.pod("bridged", PodOptions::bridged(), BULK)?;
    // The pods' network has a longer MTU than the line, and the pod does not ask for fragments to be avoided.
    let node = world.node.ns();
    node.ip(&[format!("link set {} mtu 4500", pod.host_interface()), "link set cni0 mtu 4500".to_owned()])?;
    pod.ns().ip(&["link set eth0 mtu 4500"])?;
    pod.ns().sysctl("net/ipv4/ip_no_pmtu_disc", "1")?;
    let _agent = world.agent()?;
    let made = || -> Result<u64> {
        let text = node.run(&["nstat", "-az", "IpFragCreates"])?;
        let count = text.split_whitespace().skip_while(|word| *word != "IpFragCreates").nth(1);
        count.and_then(|count| count.parse().ok()).context("nstat has no IpFragCreates")
    };
    let before = made()?;
    let options = CallOptions { rate: 330, size: 4_000, segment: 0 };
    let _flood = Call::start(pod.ns(), world.lab.internet().at(DISCARD), options)?;
    std::thread::sleep(Duration::from_secs(1));
    world.ensure_arrives("fragments made by the node", CEILING_MBIT, 0.5..=1.1)?;
    ensure!(made()? > before, "the node has made no fragments");
    Ok(())
}

#[test]
fn a_pod_on_the_uplinks_own_bridge_is_held() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let pod = world.pod("seed", PodOptions::bridged(), BULK)?;
    world.lab.put_nic_on_a_bridge(&world.node, "br0")?;
    // As the CNI plugin bridge does it on a LAN: the pod has an address of its own there, which nothing translates.
    let (address, router) = (world.lab.free_address(), world.lab.router().lan_address());
    world.node.ns().ip(&[format!("link set {} master br0", pod.host_interface())])?;
    pod.ns().ip(&[
        "addr flush dev eth0".to_owned(),
        format!("addr add {address}/24 dev eth0"),
        format!("route add default via {router}"),
    ])?;
    apply_at(&world, &pod, address, false)?;
    let _agent = world.agent()?;
    world.ensure_held("on the uplink's own bridge", &pod, false)
}

#[test]
fn a_pod_behind_a_macvlan_is_held_by_its_sockets() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    // The pod's own interface stays unused: it sends by a macvlan on the node's NIC.
    let pod = world.node.pod("seed", PodOptions::default())?;
    let cgroup = PodCgroup::create(pod.uid())?;
    let (address, router) = (world.lab.free_address(), world.lab.router().lan_address());
    world.node.ns().ip(&[format!("link add link eth0 name mv0 netns {} type macvlan mode bridge", pod.ns().name())])?;
    pod.ns().ip(&[
        "link del eth0".to_owned(),
        "link set mv0 up".to_owned(),
        format!("addr add {address}/24 dev mv0"),
        format!("route add default via {router}"),
    ])?;
    apply_at(&world, &pod, address, false)?;
    let _agent = world.agent()?;
    world.wait_noted("Pod default/seed", "BySockets")?;

    let _flood = flood_in(&cgroup, pod.ns(), &world)?;
    std::thread::sleep(Duration::from_secs(1));
    world.ensure_arrives("behind a macvlan", CEILING_MBIT, 0.85..=1.06)?;
    eventually(|| {
        let notes = world.notes_on("Pod default/seed")?;
        ensure!(notes.is_empty(), "it has been seen: {notes:?}");
        Ok(())
    })
}

#[test]
fn pods_are_held_on_an_uplink_that_is_a_port_of_a_bridge() -> Result<()> {
    let world = masquerading()?;
    let pods = [world.pod("routed", PodOptions::default(), BULK)?, world.pod("bridged", PodOptions::bridged(), BULK)?];
    world.lab.put_nic_on_a_bridge(&world.node, "br0")?;
    let interface = json!({"name": "eth0"});
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "interface": interface}))?;
    let _agent = world.agent()?;
    for pod in &pods {
        for v6 in [false, true] {
            world.ensure_held(&format!("behind a bridge's port, {} pod, v6 {v6}", pod.name()), pod, v6)?;
        }
    }
    // A pod of the node's own network is known by its socket.
    let host = world.node.pod("host", PodOptions::default())?;
    let cgroup = PodCgroup::create(host.uid())?;
    apply_at(&world, &host, world.node.v4(), true)?;
    let _flood = flood_in(&cgroup, world.node.ns(), &world)?;
    std::thread::sleep(Duration::from_secs(2));
    world.ensure_arrives("a pod of the node's network behind a bridge's port", CEILING_MBIT, 0.85..=1.06)
}

#[test]
fn a_static_pod_is_held_by_the_cgroup_of_its_manifest() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let hash = format!("{:032x}", std::process::id());
    let cgroup = PodCgroup::create(&hash)?;
    let object = |hash: &str| -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "etcd", "namespace": "kube-system", "uid": "99999999-2222-4333-8444-555555555555",
                "annotations": {"kubernetes.io/config.hash": hash, "kubernetes.io/config.mirror": hash},
                "labels": {"traffic-tier": "bulk"},
            },
            "spec": {"nodeName": world.node.name(), "hostNetwork": true, "containers": [{"name": "a", "image": "x"}]},
            "status": {"phase": "Running", "podIP": world.node.v4(), "podIPs": [{"ip": world.node.v4()}]},
        })
    };
    world.node.objects().apply("pod-etcd.yaml", &[object(&hash)])?;
    let _agent = world.agent()?;
    let notes = world.notes_on("Pod kube-system/etcd")?;
    ensure!(notes.is_empty(), "{notes:?}");
    let pods = world.status()?["pods"].clone();
    let etcd = pods.as_array().into_iter().flatten().find(|pod| pod["name"] == "etcd").cloned();
    let etcd = etcd.context("weir status has the pod")?;
    ensure!(etcd["desired"]["place"]["host_network"]["id"].as_u64().is_some_and(|id| id > 0), "{etcd}");
    let _flood = flood_in(&cgroup, world.node.ns(), &world)?;
    std::thread::sleep(Duration::from_secs(1));
    world.ensure_arrives("a static pod", CEILING_MBIT, 0.85..=1.06)
}

#[test]
fn what_leaves_inside_a_tunnel_to_a_public_peer_is_said() -> Result<()> {
    let world = masquerading()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let node = world.node.ns();
    let peer = world.lab.internet().v4();
    // Another public network, reached through the tunnel.
    node.ip(&[
        format!("link add vx0 type vxlan id 7 dev eth0 remote {peer} dstport 4789"),
        "link set vx0 up".to_owned(),
        "addr add 198.51.100.1/24 dev vx0".to_owned(),
        "neigh add 198.51.100.2 lladdr 02:00:00:00:00:09 dev vx0 nud permanent".to_owned(),
    ])?;
    let _agent = world.agent()?;
    let to: SocketAddr = format!("198.51.100.2:{DISCARD}").parse()?;
    let inside = flood_to(seed.ns(), to)?;
    world.wait_noted("Uplink wan", "Tunnelled")?;
    // What does not go through it is held as ever.
    drop(inside);
    let _outside = flood(&world, seed.ns(), false)?;
    world.wait_held("beside the tunnel")
}
