//! The agent's life: stopped, killed, restarted, doubled, cleaned up; and interfaces that go away.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::{Agent, AgentOptions, NodeOptions, PodOptions};

use crate::world::{BULK, LE, World, eventually};

fn without_a_gap(stop: impl Fn(Agent) -> Result<()>) -> Result<()> {
    let world = World::new()?;
    let (seed, agent, call) = world.shaped()?;
    let capture = world.watch(&seed)?;
    stop(agent)?;
    std::thread::sleep(Duration::from_secs(1));
    let _agent = world.agent()?;
    std::thread::sleep(Duration::from_secs(1));
    let (packets, samples) = (capture.drain(), call.finish()?);
    ensure!(packets.len() > 80 && packets.iter().all(|packet| packet.dscp == LE), "shaping had a gap");
    let lost = samples.iter().filter(|sample| sample.delay.is_none()).count();
    ensure!(lost == 0, "{lost} packets were lost");
    Ok(())
}

#[test]
fn a_killed_agent_leaves_shaping_in_force() -> Result<()> {
    without_a_gap(|agent| agent.kill().map(|_| ()))
}

#[test]
fn a_terminated_agent_leaves_shaping_in_force() -> Result<()> {
    without_a_gap(|agent| {
        let finished = agent.terminate()?;
        ensure!(finished.code == Some(0), "it ended with {:?}\n{}", finished.code, finished.stderr);
        Ok(())
    })
}

#[test]
fn an_agent_that_logs_only_errors_shapes_until_it_is_stopped() -> Result<()> {
    let world = World::new()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let agent = world.node.start_agent(&AgentOptions { log: "error".to_owned(), ..AgentOptions::default() })?;
    let call = world.call(&seed)?;
    world.wait_marked(&seed, true)?;
    drop(call);
    let finished = agent.terminate()?;
    ensure!(finished.code == Some(0), "it ended with {:?}\n{}", finished.code, finished.stderr);
    Ok(())
}

#[test]
fn a_second_agent_refuses_to_start() -> Result<()> {
    let world = World::new()?;
    let (seed, first, call) = world.shaped()?;
    let second = world.node.spawn_agent(&AgentOptions::default())?;
    let other = second.wait()?;
    ensure!(other.code.is_some_and(|code| code != 0), "the second agent ended with {:?}", other.code);
    ensure!(other.stderr.contains("another") || other.stderr.contains("already"), "it only says: {}", other.stderr);
    first.get("/readyz")?;
    world.wait_marked(&seed, true)?;
    drop(call);
    Ok(())
}

#[test]
fn cleanup_takes_everything_out_and_restores_the_qdisc() -> Result<()> {
    let world = World::new()?;
    let node = world.node.ns();
    node.tc(&["qdisc replace dev eth0 root handle 77: pfifo limit 321"])?;
    let (seed, agent, call) = world.shaped()?;
    ensure!(node.qdiscs("eth0")?[0].kind == "fq", "the agent has put no fq there");
    agent.terminate()?;

    let report = world.cleanup()?;
    ensure!(report.contains("qdisc"), "{report}");
    world.wait_marked(&seed, false)?;
    drop(call);
    let description = node.run(&["tc", "qdisc", "show", "dev", "eth0"])?;
    ensure!(description.contains("pfifo 77:") && description.contains("limit 321p"), "{description}");
    let pins: Vec<_> = std::fs::read_dir(world.node.bpffs())?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(pins.is_empty(), "pins are left: {pins:?}");
    let again = world.cleanup()?;
    ensure!(again.to_lowercase().contains("nothing"), "{again}");
    Ok(())
}

#[test]
fn a_damaged_record_of_qdiscs_does_not_keep_the_agent_from_starting() -> Result<()> {
    let world = World::new()?;
    let before = world.node.ns().qdiscs("eth0")?[0].kind.clone();
    world.agent()?.terminate()?;
    let record = world.node.state_dir().join("qdiscs.json");
    std::fs::write(&record, "{\"3\": {\"na")?;

    let agent = world.agent()?;
    ensure!(agent.log().contains("qdiscs.json.damaged"), "nothing says what happened:\n{}", agent.log());
    ensure!(record.with_extension("json.damaged").exists(), "the damaged file is gone");
    agent.terminate()?;
    // Lost again, with nobody to notice but the cleanup.
    std::fs::remove_file(&record)?;
    world.cleanup()?;
    let after = world.node.ns().qdiscs("eth0")?[0].kind.clone();
    ensure!(after == before, "eth0 had {before}, and after cleanup has {after}");
    Ok(())
}

#[test]
fn what_an_earlier_agent_left_where_nothing_is_wanted_any_more_goes() -> Result<()> {
    let world = World::new()?;
    let node = world.node.ns();
    node.ip(&["link add lte0 numtxqueues 1 numrxqueues 1 type veth peer name lte-wire", "link set lte0 up"])?;
    let agent = world.agent()?;
    let ifindex = |interface: &str| -> Result<String> {
        let shown = node.run(&["ip", "-o", "link", "show", interface])?;
        Ok(shown.split(':').next().unwrap_or_default().trim().to_owned())
    };
    let stands_on = |interface: &str| -> Result<bool> {
        let filters = node.run(&["tc", "filter", "show", "dev", interface, "egress"])?;
        let pin = world.node.bpffs().join("weir/v2/links").join(format!("{}-uplink_tx", ifindex(interface)?));
        Ok(filters.contains("uplink_tx") || pin.exists())
    };
    ensure!(stands_on("eth0")?, "the program is not found where it is");
    agent.kill()?;
    // The uplink becomes another interface while no agent runs.
    let interface = json!({"name": "lte0"});
    world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%", "interface": interface}))?;
    let _agent = world.agent()?;
    eventually(|| {
        ensure!(stands_on("lte0")?, "no program stands on the new uplink");
        ensure!(!stands_on("eth0")?, "the program still stands on the old uplink");
        Ok(())
    })
}

#[test]
fn what_another_version_left_is_replaced() -> Result<()> {
    let world = World::new()?;
    let (seed, agent, call) = world.shaped()?;
    agent.terminate()?;
    let pins = world.node.bpffs().join("weir");
    let another = pins.join("v0");
    std::fs::rename(pins.join("v2"), &another)?;

    let agent = world.agent()?;
    eventually(|| {
        ensure!(!another.exists(), "the other version's programs and maps are still there");
        Ok(())
    })?;
    world.wait_marked(&seed, true)?;
    drop(call);
    // Two programs would count twice.
    eventually(|| {
        let counted = agent.metrics()?.sum("weir_pod_network_transmit_packets_total", &[("pod", "seed")]);
        let passed = seed.counters()?.tx_packets;
        let equal = counted.is_some_and(|counted| counted.to_string() == passed.to_string());
        ensure!(equal, "{counted:?} of {passed} packets are counted");
        Ok(())
    })
}

#[test]
fn every_queue_of_a_multi_queue_device_gets_fq() -> Result<()> {
    let world = World::with(None, NodeOptions { queues: 4, ..NodeOptions::default() })?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let qdiscs = world.node.ns().qdiscs("eth0")?;
    let kinds: Vec<&str> = qdiscs.iter().map(|qdisc| qdisc.kind.as_str()).filter(|kind| *kind != "clsact").collect();
    ensure!(kinds == ["mq", "fq", "fq", "fq", "fq"], "{kinds:?}");
    let call = world.call(&seed)?;
    world.wait_marked(&seed, true)?;
    drop(call);
    Ok(())
}

#[test]
fn an_interface_that_goes_and_comes_back_is_followed() -> Result<()> {
    let world = World::new()?;
    let (seed, agent, call) = world.shaped()?;
    world.lab.unplug(&world.node)?;
    std::thread::sleep(Duration::from_millis(500));
    agent.get("/healthz")?;
    world.lab.plug_in_again(&world.node)?;
    world.wait_marked(&seed, true)?;
    ensure!(world.node.ns().qdiscs("eth0")?.iter().any(|qdisc| qdisc.kind == "fq"), "no fq on the new interface");
    drop(call);
    Ok(())
}
