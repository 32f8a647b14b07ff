//! Which capabilities the agent needs, and what it says without them.

use anyhow::{Result, ensure};
use weir_lab::{AgentOptions, PodOptions};

use crate::world::{BULK, SOON, World, eventually};

/// What the README says that the agent needs.
const NEEDED: &[&str] = &["bpf", "net_admin", "perfmon"];

fn with(capabilities: &[&'static str]) -> AgentOptions {
    AgentOptions { capabilities: Some(capabilities.to_vec()), tell_log: true, ..AgentOptions::default() }
}

#[test]
fn few_capabilities_are_enough() -> Result<()> {
    let world = World::new()?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let agent = world.node.start_agent(&with(NEEDED))?;
    let _call = world.call(&seed)?;
    world.wait_marked(&seed, true)?;
    world.node.objects().apply_pod(&seed, &[])?;
    world.wait_marked(&seed, false)?;
    // One pod and its interface have changed, and nothing else: what is attached was found to be in order.
    eventually(|| {
        let log = agent.log();
        ensure!(log.contains("changes=2 left=0 failed=0"), "no round changed the pod alone");
        Ok(())
    })?;
    ensure!(
        agent.metrics()?.sum("weir_pod_network_transmit_bytes_total", &[("pod", "seed")]).unwrap_or_default() > 0.0
    );
    drop(agent);
    world.cleanup()?;
    Ok(())
}

#[test]
fn a_missing_capability_is_named() -> Result<()> {
    let world = World::new()?;
    for missing in ["bpf", "net_admin"] {
        let left: Vec<&'static str> = NEEDED.iter().copied().filter(|name| *name != missing).collect();
        let finished = world.node.spawn_agent(&with(&left))?.wait()?;
        ensure!(finished.code.is_some_and(|code| code != 0), "without {missing} it ended with {:?}", finished.code);
        let name = format!("CAP_{}", missing.to_uppercase());
        ensure!(finished.stderr.contains(&name), "within {SOON:?} it said nothing of {name}: {}", finished.stderr);
    }
    Ok(())
}

#[test]
fn a_verifier_that_wants_more_is_named_with_what_it_wants() -> Result<()> {
    let world = World::new()?;
    // Newer verifiers do without.
    match world.node.start_agent(&with(&["bpf", "net_admin"])) {
        Ok(agent) => drop(agent),
        Err(error) => ensure!(format!("{error:#}").contains("lacks CAP_PERFMON"), "{error:#}"),
    }
    Ok(())
}
