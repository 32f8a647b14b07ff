//! Other people's programs and queues on the same interfaces.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_lab::{AgentOptions, Netns, PodOptions};

use crate::world::{BULK, World, eventually};

/// Packets that the filters of an interface's hook have seen.
fn filter_packets(ns: &Netns, interface: &str, hook: &str) -> Result<u64> {
    let json = ns.run(&["tc", "-s", "-j", "filter", "show", "dev", interface, hook])?;
    let filters: serde_json::Value = serde_json::from_str(&json)?;
    let packets = filters
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|filter| filter.pointer("/options/actions/0/stats/packets")?.as_u64());
    Ok(packets.sum())
}

#[test]
fn filters_that_were_there_go_on_to_work() -> Result<()> {
    let world = World::new()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let node = world.node.ns();
    let counting = "matchall action gact ok";
    let host_interface = seed.host_interface();
    node.tc(&[
        "qdisc add dev eth0 clsact".to_owned(),
        format!("filter add dev eth0 egress {counting}"),
        format!("qdisc add dev {host_interface} clsact"),
        format!("filter add dev {host_interface} ingress {counting}"),
        format!("filter add dev {host_interface} egress {counting}"),
    ])?;
    let agent = world.agent()?;
    let call = world.call(&seed)?;
    world.wait_marked(&seed, true)?;
    let hooks = [("eth0", "egress"), (host_interface, "ingress"), (host_interface, "egress")];
    let count =
        || hooks.iter().map(|(interface, hook)| filter_packets(node, interface, hook)).collect::<Result<Vec<_>>>();
    let before = count()?;
    std::thread::sleep(Duration::from_secs(1));
    let after = count()?;
    for ((hook, before), after) in hooks.iter().zip(before).zip(after) {
        ensure!(after >= before + 30, "{hook:?} saw {before} packets, then {after}");
    }
    drop(call);
    agent.terminate()?;

    world.cleanup()?;
    for (interface, hook) in hooks {
        let filters = node.run(&["tc", "filter", "show", "dev", interface, hook])?;
        ensure!(filters.contains("matchall"), "cleanup took the filter of {interface} {hook} away: {filters}");
        ensure!(!filters.contains("bpf"), "cleanup left a program on {interface} {hook}: {filters}");
    }
    Ok(())
}

#[test]
fn another_shaper_on_the_uplink_is_refused_by_name() -> Result<()> {
    let world = World::new()?;
    let node = world.node.ns();
    let root_qdisc = || node.run(&["tc", "qdisc", "show", "dev", "eth0", "root"]);
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    for (shaper, kind, name) in [
        ("handle 1: tbf rate 9mbit burst 20k latency 50ms", "tbf", "tbf"),
        ("fq maxrate 9mbit", "fq", "fq with maxrate"),
    ] {
        node.tc(&[&format!("qdisc replace dev eth0 root {shaper}")])?;
        let before = root_qdisc()?;
        let agent = world.node.spawn_agent(&AgentOptions { tell_log: true, ..AgentOptions::default() })?;
        let call = world.call(&seed)?;
        let started = std::time::Instant::now();
        while !agent.log().contains(name) {
            ensure!(started.elapsed() < Duration::from_secs(10), "the agent does not name {name}");
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(call);
        ensure!(node.qdiscs("eth0")?[0].kind == kind, "{name} was removed");
        drop(agent);
        assert_eq!(root_qdisc()?, before, "{name} was changed");
    }
    Ok(())
}

/// As Cilium's bandwidth manager does it, which makes the root qdisc anew where it does not find its horizon and buckets.
#[test]
fn an_fq_by_which_another_program_paces_serves_both() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let node = world.node.ns();
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let theirs = "qdisc replace dev eth0 root fq horizon 2s buckets 32768";
    let serves_both = || {
        let qdisc = node.run(&["tc", "qdisc", "show", "dev", "eth0", "root"])?;
        // All bits of the hash, so that a flow shares no queue with another by chance.
        for option in ["horizon 2s", "buckets 32768", "flow_limit 10000p", "orphan_mask 4294967295"] {
            ensure!(qdisc.contains(option), "no {option}: {qdisc}");
        }
        Ok(())
    };
    node.tc(&[theirs])?;
    let _agent = world.agent()?;
    world.ensure_held("beside the other program", &seed, false)?;
    serves_both()?;
    node.tc(&["qdisc replace dev eth0 root noqueue", theirs])?;
    eventually(serves_both)?;
    world.ensure_held("after the other program made it anew", &seed, false)
}
