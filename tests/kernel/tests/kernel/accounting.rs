//! Bytes and packets per pod: equal to the pod's own interface, whatever happens to the agent.
//!
//! Behind a bottleneck: at the machine's full speed a veth drops what its peer's backlog has no room
//! for, after Weir has seen it, and does not count it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
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

/// What Weir and the interfaces counted from one moment on.
struct Since<'a>(Vec<(&'a Pod, Counters, Counters)>);

impl<'a> Since<'a> {
    fn now(agent: &Agent, pods: &[&'a Pod]) -> Result<Self> {
        eventually(|| {
            let read = |pod: &&'a Pod| Ok((*pod, counted(agent, pod)?, pod.counters()?));
            let first = pods.iter().map(read).collect::<Result<Vec<_>>>()?;
            std::thread::sleep(Duration::from_millis(100));
            let second = pods.iter().map(read).collect::<Result<Vec<_>>>()?;
            let quiet = first.iter().zip(&second).all(|(a, b)| (a.1, a.2) == (b.1, b.2));
            ensure!(quiet, "the pods do not fall silent");
            Ok(Self(second))
        })
    }

    fn ensure_equal(&self, agent: &Agent) -> Result<()> {
        eventually(|| {
            for (pod, weir, veth) in &self.0 {
                let (weir, veth) = (grown(weir, &counted(agent, pod)?)?, grown(veth, &pod.counters()?)?);
                ensure!(weir == veth, "{}: Weir counted {weir:?}, the interface {veth:?}", pod.name());
            }
            Ok(())
        })
    }
}

fn grown(before: &Counters, after: &Counters) -> Result<Counters> {
    let more = |before: u64, after: u64| after.checked_sub(before).context("a counter went backwards");
    Ok(Counters {
        rx_bytes: more(before.rx_bytes, after.rx_bytes)?,
        rx_packets: more(before.rx_packets, after.rx_packets)?,
        tx_bytes: more(before.tx_bytes, after.tx_bytes)?,
        tx_packets: more(before.tx_packets, after.tx_packets)?,
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
    let world = World::behind_a_bottleneck()?;
    let v6 = PodOptions { family: Family::V6, ..PodOptions::default() };
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let web = world.pod("web", PodOptions::bridged(), &[])?;
    let six = world.pod("six", v6, &[])?;
    let pods = [&seed, &web, &six];
    let agent = world.agent()?;
    let since = Since::now(&agent, &pods)?;
    for (pod, port) in pods.iter().zip(5201..) {
        traffic(&world, pod, port)?;
    }
    since.ensure_equal(&agent)?;

    agent.kill()?;
    // Nobody reads now, but the kernel goes on to count.
    traffic(&world, &seed, 5301)?;
    let agent = world.agent()?;
    since.ensure_equal(&agent)?;

    agent.terminate()?;
    traffic(&world, &web, 5302)?;
    let agent = world.agent()?;
    since.ensure_equal(&agent)
}

#[test]
fn a_pod_that_was_there_first_is_counted_from_its_beginning() -> Result<()> {
    let world = World::behind_a_bottleneck()?;
    let web = world.pod("web", PodOptions::default(), &[])?;
    traffic(&world, &web, 5201)?;
    let agent = world.agent()?;
    traffic(&world, &web, 5202)?;
    ensure_equal(&agent, &[&web])
}

#[test]
fn a_pod_that_comes_back_with_its_address_starts_anew() -> Result<()> {
    let world = World::behind_a_bottleneck()?;
    let agent = world.agent()?;
    let options = PodOptions { host_number: Some(50), ..PodOptions::default() };
    for port in 5201..5204 {
        let seed = world.pod("seed", options, BULK)?;
        let call = world.call(&seed)?;
        world.wait_marked(&seed, true)?;
        drop(call);
        let since = Since::now(&agent, &[&seed])?;
        traffic(&world, &seed, port)?;
        since.ensure_equal(&agent)?;
        let (weir, veth) = (counted(&agent, &seed)?, seed.counters()?);
        ensure!(weir.tx_bytes <= veth.tx_bytes, "it inherits from the pod before: {weir:?}, {veth:?}");
        world.node.objects().remove_pod(&seed)?;
    }
    Ok(())
}
