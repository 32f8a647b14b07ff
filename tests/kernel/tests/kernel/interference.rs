//! Other programs and qdiscs on the interfaces of pods and uplinks: no pod escapes by them, and nothing of theirs is
//! broken.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use weir_lab::{AgentOptions, Counters, Masquerade, Netns, NodeOptions, Pod, PodOptions};

use crate::held::{flood, has_tcx};
use crate::world::{BULK, World, eventually};

/// Programs that do to packets what other programs do (`ebpf/src/interference.rs`).
const PROGRAMS: &str = "/tests/interference.o";

/// Puts a program of [`PROGRAMS`] on a hook with priority 1, as Cilium does.
fn interfere(ns: &Netns, interface: &str, hook: &str, program: &str) -> Result<()> {
    filter(ns, interface, &format!("{hook} protocol all prio 1"), program)
}

/// Puts one of them anywhere else.
pub(crate) fn filter(ns: &Netns, interface: &str, place: &str, program: &str) -> Result<()> {
    // The qdisc may be there already.
    let _ = ns.run(&["tc", "qdisc", "add", "dev", interface, "clsact"]);
    ns.tc(&[format!("filter add dev {interface} {place} bpf direct-action object-file {PROGRAMS} section {program}")])
}

/// What the CNI bandwidth plugin makes of an annotated pod: its packets go through an ifb with a shaper.
fn detour(ns: &Netns, pod: &Pod) -> Result<()> {
    let (interface, ifb) = (pod.host_interface(), format!("ifb{}", pod.host_interface()));
    ns.ip(&[format!("link add {ifb} type ifb"), format!("link set {ifb} up")])?;
    // Where Weir's clsact is there already, it serves as well, and priority 1 is taken.
    let prio = if ns.run(&["tc", "qdisc", "add", "dev", interface, "ingress"]).is_ok() { 1 } else { 2 };
    ns.tc(&[
        format!("qdisc add dev {ifb} root tbf rate 1gbit burst 1mb latency 25ms"),
        format!(
            "filter add dev {interface} ingress protocol all prio {prio} u32 match u32 0 0 action mirred egress redirect dev {ifb}"
        ),
    ])
}

/// A world whose tier is limited and whose node masquerades, with a routed and a bridged pod of the tier.
fn limited() -> Result<(World, [Pod; 2])> {
    let world = World::with(None, NodeOptions { masquerade: Masquerade::RandomPorts, ..NodeOptions::default() })?;
    world.limit()?;
    let pods = [world.pod("routed", PodOptions::default(), BULK)?, world.pod("bridged", PodOptions::bridged(), BULK)?];
    Ok((world, pods))
}

fn ensure_held(world: &World, pods: &[Pod], what: &str) -> Result<()> {
    for pod in pods {
        for v6 in [false, true] {
            world.ensure_held(&format!("{what}, {} pod, v6 {v6}", pod.name()), pod, v6)?;
        }
    }
    Ok(())
}

#[test]
fn a_program_that_clears_or_rewrites_queue_mapping_frees_nobody() -> Result<()> {
    let (world, pods) = limited()?;
    let _agent = world.agent()?;
    let node = world.node.ns();
    for program in ["zero", "rewrite"] {
        for pod in &pods {
            interfere(node, pod.host_interface(), "ingress", program)?;
        }
        ensure_held(&world, &pods, program)?;
    }
    Ok(())
}

#[test]
fn a_value_of_others_in_queue_mapping_is_neither_believed_nor_cleared() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    // The tier's pod has slot 1 or 2 and would be meant by 1025 or 1026; Cilium's endpoint has 1030.
    let _seed = world.pod("seed", PodOptions::default(), BULK)?;
    let other = world.pod("other", PodOptions::default(), &[])?;
    let _agent = world.agent()?;
    interfere(world.node.ns(), other.host_interface(), "ingress", "rewrite")?;
    // A program behind Weir's drops what has no such value any more.
    filter(world.node.ns(), "eth0", "egress protocol ip prio 7", "kept")?;
    let _flood = flood(&world, other.ns(), false)?;
    std::thread::sleep(Duration::from_secs(1));
    world.ensure_arrives("a pod in no tier", 11.5, 0.9..=1.05)
}

#[test]
fn a_pod_that_is_redirected_past_the_nodes_ip_layer_is_held() -> Result<()> {
    // Nobody translates what goes past the IP layer.
    let world = World::new()?;
    world.limit()?;
    let pods = [world.pod("routed", PodOptions::default(), BULK)?];
    let _agent = world.agent()?;
    let node = world.node.ns();
    let links: Value = serde_json::from_str(&node.run(&["ip", "-j", "link", "show", "dev", "eth0"])?)?;
    let eth0 = links[0]["ifindex"].as_u64().unwrap_or_default();
    for pod in &pods {
        let interface = pod.host_interface();
        let _ = node.run(&["tc", "qdisc", "add", "dev", interface, "clsact"]);
        // Neighbours are looked for as ever.
        for (family, prio) in [("ip", 2), ("ipv6", 3)] {
            node.tc(&[format!(
                "filter add dev {interface} ingress protocol {family} prio {prio} flower ip_proto udp action skbedit mark {eth0} continue"
            )])?;
        }
        filter(node, interface, "ingress protocol all prio 4", "neigh")?;
    }
    let before = forwarded(node)?;
    ensure_held(&world, &pods, "bpf_redirect_neigh")?;
    let after = forwarded(node)?;
    ensure!(
        after < before + 100,
        "the IP layer forwarded {} packets, so that they were not redirected",
        after - before
    );
    Ok(())
}

/// Packets that the IP layer forwarded, of both families (`/proc/net/snmp`, `/proc/net/snmp6`).
fn forwarded(node: &Netns) -> Result<u64> {
    let v4 = node.run(&["cat", "/proc/net/snmp"])?;
    let mut lines = v4.lines().filter_map(|line| line.strip_prefix("Ip: ")).map(str::split_whitespace);
    let (names, values) = (lines.next().context("no names")?, lines.next().context("no values")?);
    let v4 =
        names.zip(values).find(|(name, _)| *name == "ForwDatagrams").context("no ForwDatagrams")?.1.parse::<u64>()?;
    let v6 = node.run(&["cat", "/proc/net/snmp6"])?;
    let v6 = v6.lines().find_map(|line| line.strip_prefix("Ip6OutForwDatagrams")).context("no Ip6OutForwDatagrams")?;
    Ok(v4 + v6.trim().parse::<u64>()?)
}

#[test]
fn a_detour_through_an_ifb_frees_nobody_and_counts_all() -> Result<()> {
    let (world, pods) = limited()?;
    // One before the agent comes, one after.
    detour(world.node.ns(), &pods[0])?;
    let agent = world.agent()?;
    detour(world.node.ns(), &pods[1])?;
    ensure_held(&world, &pods, "ifb")?;
    ensure_counted(&world, &agent, &pods)
}

#[test]
fn an_ingress_qdisc_on_a_pods_interface_changes_no_count() -> Result<()> {
    let (world, pods) = limited()?;
    for pod in &pods {
        world.node.ns().tc(&[format!("qdisc add dev {} ingress", pod.host_interface())])?;
    }
    let agent = world.agent()?;
    ensure_held(&world, &pods, "ingress")?;
    ensure_counted(&world, &agent, &pods)
}

/// What pods sent and received is what their interfaces count, each in its direction.
fn ensure_counted(world: &World, agent: &weir_lab::Agent, pods: &[Pod]) -> Result<()> {
    eventually(|| {
        let metrics = agent.metrics()?;
        for pod in pods {
            let counted = |direction: &str| {
                metrics.sum(&format!("weir_pod_network_{direction}_packets_total"), &[("pod", pod.name())])
            };
            let interface = pod.counters()?;
            #[allow(clippy::cast_precision_loss)] // some thousands
            let expected = [interface.tx_packets, interface.rx_packets].map(|packets| Some(packets as f64));
            let found = [counted("transmit"), counted("receive")];
            ensure!(found == expected, "{}: {found:?} are counted, {expected:?} passed", pod.name());
        }
        Ok(())
    })?;
    ensure!(world.notes_on("Pod default/routed")?.is_empty(), "a pod that is held has a note");
    Ok(())
}

#[test]
fn a_pod_that_nothing_is_left_to_know_by_is_named() -> Result<()> {
    let (world, [_, bridged]) = limited()?;
    let node = world.node.ns();
    node.tc(&[format!("qdisc add dev {} ingress", bridged.host_interface()), "qdisc add dev cni0 ingress".to_owned()])?;
    let _agent = world.agent()?;
    if has_tcx()? {
        return world.ensure_held("beside ingress qdiscs", &bridged, false);
    }
    world.wait_noted("Pod default/bridged", "BridgeTaken")
}

#[test]
fn an_ingress_qdisc_on_the_uplink_keeps_its_place_and_weir_does_not_shape_what_comes_in() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let pods = [world.pod("routed", PodOptions::default(), BULK)?];
    let node = world.node.ns();
    node.tc(&["qdisc add dev eth0 ingress"])?;
    let agent = world.agent()?;
    if has_tcx()? {
        return ensure_held(&world, &pods, "ingress on the uplink");
    }
    world.wait_noted("Uplink wan", "HookTaken")?;
    let qdiscs = |node: &Netns| node.run(&["tc", "qdisc", "show", "dev", "eth0"]);
    ensure!(qdiscs(node)?.contains("qdisc ingress"), "somebody else's qdisc was taken away");
    agent.terminate()?;

    let options = AgentOptions { take_over: true, tell_log: true, ..AgentOptions::default() };
    let agent = world.node.start_agent(&options)?;
    ensure_held(&world, &pods, "taken over")?;
    agent.terminate()?;
    world.cleanup()?;
    let after = qdiscs(node)?;
    ensure!(after.contains("qdisc ingress") && !after.contains("clsact"), "{after}");
    Ok(())
}

#[test]
fn a_program_that_comes_first_later_does_not_stay_first() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let _flood = flood(&world, seed.ns(), false)?;
    interfere(world.node.ns(), "eth0", "egress", "end")?;
    world.wait_held("behind a program that ends the hook")
}

#[test]
fn a_filter_of_another_kind_in_weirs_place_is_named() -> Result<()> {
    let world = World::new()?;
    world.limit()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let node = world.node.ns();
    let interface = seed.host_interface();
    for (interface, hook) in [("eth0", "egress"), (interface, "ingress")] {
        node.tc(&[format!("qdisc add dev {interface} clsact")])?;
        node.tc(&[format!("filter add dev {interface} {hook} protocol all prio 1 u32 match u32 0 0 action continue")])?;
    }
    let agent = world.agent()?;
    if has_tcx()? {
        return world.ensure_held("beside u32", &seed, false);
    }
    world.wait_noted("Uplink wan", "HookTaken")?;
    let _flood = flood(&world, seed.ns(), false)?;
    // Its pod is counted all the same.
    eventually(|| {
        let sent = agent.metrics()?.sum("weir_pod_network_transmit_packets_total", &[("pod", "seed")]);
        let arrived = Counters::read(node, interface)?.rx_packets;
        ensure!(sent.is_some_and(|sent| sent > 100.0), "{sent:?} of {arrived} packets are counted");
        Ok(())
    })?;
    drop(agent);
    world.cleanup()?;
    let left = node.run(&["tc", "filter", "show", "dev", "eth0", "egress"])?;
    ensure!(left.contains("u32"), "somebody else's filter was taken away: {left}");
    Ok(())
}

#[test]
fn cleanup_takes_away_what_weir_made_and_nothing_else() -> Result<()> {
    let world = World::new()?;
    let node = world.node.ns();
    let (seed, other) =
        (world.pod("seed", PodOptions::default(), BULK)?, world.node.pod("other", PodOptions::default())?);
    // An empty qdisc of somebody else's on a pod's interface, and one on an interface that Weir never touches.
    node.tc(&[format!("qdisc add dev {} clsact", seed.host_interface())])?;
    node.tc(&[format!("qdisc add dev {} ingress", other.host_interface())])?;
    let agent = world.agent()?;
    let gone = world.pod("gone", PodOptions::default(), BULK)?;
    let call = world.call(&gone)?;
    world.wait_marked(&gone, true)?;
    drop(call);
    agent.terminate()?;
    // Its interface goes while no agent runs, and its links and pins stay.
    drop(gone);
    let report = world.cleanup()?;
    ensure!(!report.contains("FAILED"), "{report}");
    let qdiscs = |interface: &str| node.run(&["tc", "qdisc", "show", "dev", interface]);
    ensure!(qdiscs(seed.host_interface())?.contains("clsact"), "an empty clsact of somebody else's is gone");
    ensure!(qdiscs(other.host_interface())?.contains("ingress"), "an empty ingress qdisc of somebody else's is gone");
    ensure!(!qdiscs("eth0")?.contains("clsact"), "a clsact of Weir's is left");
    ensure!(world.cleanup()?.to_lowercase().contains("nothing"), "the second cleanup finds something");
    Ok(())
}

#[test]
fn an_interface_with_the_name_of_an_earlier_one_has_programs_of_its_own() -> Result<()> {
    let world = World::with(None, NodeOptions { masquerade: Masquerade::RandomPorts, ..NodeOptions::default() })?;
    world.limit()?;
    let options = PodOptions { host_number: Some(77), ..PodOptions::bridged() };
    let first = world.pod("first", options, BULK)?;
    let name = first.host_interface().to_owned();
    let agent = world.agent()?;
    world.ensure_held("the first", &first, false)?;
    // It goes and another comes, while no agent looks.
    agent.kill()?;
    world.node.objects().remove_pod(&first)?;
    drop(first);
    let second = world.pod("second", options, BULK)?;
    ensure!(second.host_interface() == name, "{} is not {name}", second.host_interface());
    let agent = world.agent()?;
    world.ensure_held("the second", &second, false)?;
    ensure_counted(&world, &agent, &[second])
}

#[test]
fn pins_of_interfaces_that_are_gone_go_too() -> Result<()> {
    let world = World::new()?;
    let agent = world.agent()?;
    let links = world.node.bpffs().join("weir/v2/links");
    for name in ["a", "b", "c"] {
        let pod = world.pod(name, PodOptions::default(), BULK)?;
        let call = world.call(&pod)?;
        world.wait_marked(&pod, true)?;
        drop(call);
        world.node.objects().remove_pod(&pod)?;
    }
    if has_tcx()? {
        eventually(|| {
            let pins =
                std::fs::read_dir(&links)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            let pins: Vec<String> = pins.filter(|pin| !pin.ends_with("-split_rx")).collect();
            ensure!(pins.len() == 1, "beside the splitter's, the uplink's pin alone should be left: {pins:?}");
            Ok(())
        })?;
    }
    drop(agent);
    Ok(())
}
