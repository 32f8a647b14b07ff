//! Bytes and packets per pod: equal to the pod's own interface, whatever happens to the agent.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_lab::traffic::{Iperf, IperfOptions};
use weir_lab::{Agent, Counters, Family, Pod, PodOptions};

use crate::world::{BULK, World, eventually};

/// Counts are whole numbers below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn counted(agent: &Agent, pod: &Pod) -> Result<Counters> {
    let metrics = agent.metrics()?;
    let read = |direction: &str, unit: &str| {
        let name = format!("weir_pod_network_{direction}_{unit}_total");
        metrics.sum(&name, &[("namespace", "default"), ("pod", pod.name())]).unwrap_or_default() as u64
    };
    Ok(Counters {
        rx_bytes: read("receive", "bytes"),
        rx_packets: read("receive", "packets"),
        tx_bytes: read("transmit", "bytes"),
        tx_packets: read("transmit", "packets"),
    })
}

/// Compares while nothing moves: a late packet or a page of metrics that is a moment old gets more tries.
fn ensure_equal(agent: &Agent, pods: &[&Pod]) -> Result<()> {
    eventually(|| {
        for pod in pods {
            let (weir, veth) = (counted(agent, pod)?, pod.counters()?);
            ensure!(weir == veth, "{}: Weir counts {weir:?}, the interface {veth:?}", pod.name());
        }
        Ok(())
    })
}

fn traffic(world: &World, pod: &Pod, port: u16) -> Result<()> {
    let internet = world.lab.internet();
    let length = Duration::from_secs(2);
    let to = if pod.addresses()[0].is_ipv4() { internet.at(port) } else { internet.at_v6(port) };
    Iperf::start(pod.ns(), internet.ns(), &IperfOptions::cubic(to, 4, length))?.finish()?;
    Ok(())
}

#[test]
fn counts_equal_the_interface_across_restarts() -> Result<()> {
    let world = World::new()?;
    let v6 = PodOptions { family: Family::V6, ..PodOptions::default() };
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let web = world.pod("web", PodOptions::bridged(), &[])?;
    let six = world.pod("six", v6, &[])?;
    let pods = [&seed, &web, &six];
    let agent = world.agent()?;
    for (pod, port) in pods.iter().zip(5201..) {
        traffic(&world, pod, port)?;
    }
    ensure_equal(&agent, &pods)?;
    let before = counted(&agent, &seed)?;

    agent.kill()?;
    // Nobody reads now, but the kernel goes on to count.
    traffic(&world, &seed, 5301)?;
    let agent = world.agent()?;
    ensure_equal(&agent, &pods)?;
    ensure!(counted(&agent, &seed)?.tx_bytes > before.tx_bytes, "a counter went backwards");

    agent.terminate()?;
    traffic(&world, &web, 5302)?;
    let agent = world.agent()?;
    ensure_equal(&agent, &pods)
}

#[test]
fn a_pod_that_was_there_first_is_counted_from_its_beginning() -> Result<()> {
    let world = World::new()?;
    let web = world.pod("web", PodOptions::default(), &[])?;
    traffic(&world, &web, 5201)?;
    let agent = world.agent()?;
    traffic(&world, &web, 5202)?;
    ensure_equal(&agent, &[&web])
}

#[test]
fn a_pod_that_comes_back_with_its_address_starts_anew() -> Result<()> {
    let world = World::new()?;
    let agent = world.agent()?;
    let options = PodOptions { host_number: Some(50), ..PodOptions::default() };
    for port in 5201..5204 {
        let seed = world.pod("seed", options, BULK)?;
        let call = world.call(&seed)?;
        world.wait_marked(&seed, true)?;
        drop(call);
        traffic(&world, &seed, port)?;
        ensure_equal(&agent, &[&seed])?;
        world.node.objects().remove_pod(&seed)?;
    }
    Ok(())
}
