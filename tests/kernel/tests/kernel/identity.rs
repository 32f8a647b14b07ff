//! Whose packet it is: every wiring, every protocol, translated or not, and pods of the host's network.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_lab::traffic::{Call, CallOptions, Server};
use weir_lab::{Capture, Family, Masquerade, NodeOptions, PodCgroup, PodOptions, Wiring};

use crate::world::{BULK, LE, SOON, World};

fn shaped_everywhere(masquerade: Masquerade) -> Result<()> {
    let world = World::with(None, NodeOptions { masquerade, ..NodeOptions::default() })?;
    let _agent = world.agent()?;
    for wiring in [Wiring::Routed, Wiring::Bridged] {
        for family in [Family::V4, Family::V6, Family::Dual] {
            let seed = world.pod("seed", PodOptions { wiring, family, host_number: None }, BULK)?;
            for v6 in [false, true] {
                if !(if v6 { family.has_v6() } else { family.has_v4() }) {
                    continue;
                }
                let call = if v6 { world.call_v6(&seed)? } else { world.call(&seed)? };
                let capture = Capture::start(world.lab.router().ns(), move |packet| packet.source.is_ipv6() == v6)?;
                capture
                    .wait_for(SOON, |packet| packet.dscp == LE)
                    .with_context(|| format!("{wiring:?}, {family:?}, v6 {v6}, masquerade {masquerade:?}"))?;
                drop(call);
            }
            world.node.objects().remove_pod(&seed)?;
        }
    }
    Ok(())
}

#[test]
fn pods_are_known_by_every_wiring_and_protocol() -> Result<()> {
    shaped_everywhere(Masquerade::Off)
}

#[test]
fn pods_are_known_behind_masquerade() -> Result<()> {
    shaped_everywhere(Masquerade::RandomPorts)
}

#[test]
fn exempt_destinations_are_not_shaped() -> Result<()> {
    let world = World::new()?;
    let tv = world.lab.client("tv")?;
    let at = SocketAddr::new(tv.v4(), 7000);
    let _echo = Server::echo(tv.ns(), at)?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let far = world.call(&seed)?;
    world.wait_marked(&seed, true)?;

    // The LAN is private, which is exempt where nothing else is said.
    let near = Call::start(seed.ns(), at, CallOptions::default())?;
    let addresses = seed.addresses();
    let capture = Capture::start(tv.ns(), move |packet| addresses.contains(&packet.source))?;
    std::thread::sleep(Duration::from_secs(1));
    let packets = capture.drain();
    ensure!(packets.len() > 20 && packets.iter().all(|packet| packet.dscp == 0), "{} packets", packets.len());
    drop(near);

    world.node.objects().apply_uplink(&json!({"capacity": "20M", "exempt": ["203.0.113.0/24"]}))?;
    world.wait_marked(&seed, false)?;
    drop(far);
    Ok(())
}

#[test]
fn pods_of_the_hosts_network_are_known_by_their_cgroup() -> Result<()> {
    let world = World::new()?;
    let uid = format!("11111111-2222-4333-8444-{:012x}", std::process::id());
    let cgroup = PodCgroup::create(&uid)?;
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "backup", "namespace": "default", "uid": uid, "labels": {"traffic-tier": "bulk"}},
        "spec": {"nodeName": world.node.name(), "hostNetwork": true, "containers": [{"name": "main", "image": "x"}]},
        "status": {"phase": "Running", "podIP": world.node.v4(), "podIPs": [{"ip": world.node.v4()}]},
    });
    world.node.objects().apply("pod-backup.yaml", &[object])?;
    let _agent = world.agent()?;

    let internet = world.lab.internet();
    let node = world.node.v4();
    let capture = Capture::start(world.lab.router().ns(), move |packet| packet.source == node && packet.length > 1000)?;
    let send = |join: &str| -> Result<()> {
        let host = internet.v4();
        let script = format!("{join} iperf3 -c {host} -p 5201 -u -b 2M -l 1200 -t 2");
        let mut server = Command::new("iperf3");
        server.args(["-s", "-1", "-B", &host.to_string(), "-p", "5201"]);
        let server = internet.ns().spawn(server)?;
        std::thread::sleep(Duration::from_millis(500));
        let mut client = Command::new("sh");
        client.args(["-c", &script]);
        world.node.ns().spawn(client)?.wait_ok(2 * SOON)?;
        server.wait_ok(SOON)?;
        Ok(())
    };
    send("")?;
    let outside = capture.drain();
    ensure!(outside.len() > 100 && outside.iter().all(|packet| packet.dscp == 0), "a process outside was shaped");
    send(&cgroup.join())?;
    let inside = capture.drain();
    let marked = inside.iter().filter(|packet| packet.dscp == LE).count();
    ensure!(inside.len() > 100 && marked == inside.len(), "{marked} of {} packets are marked", inside.len());
    Ok(())
}
