//! Steps of a round that fail: they keep no other step from being made, and are said of their object.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_lab::{Agent, PodOptions};

use crate::world::{BULK, SOON, World, eventually};

/// Within this the agent has made every round that nothing but time asks for, until the slow tick.
const SETTLED: Duration = Duration::from_secs(3);

/// Keeps the agent from recording a qdisc, without which it must not replace one, until this is dropped.
struct Unrecordable(PathBuf);

impl Unrecordable {
    fn begin(world: &World) -> Result<Self> {
        let draft = world.node.state_dir().join("qdiscs.new");
        fs::create_dir_all(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
        Ok(Self(draft))
    }
}

impl Drop for Unrecordable {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// An uplink on a second interface, which comes before `wan` by name.
fn second_uplink() -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1", "kind": "Uplink", "metadata": {"name": "other"},
        "spec": {"capacity": "10M", "interface": {"name": "port0"}},
    })
}

fn failed_rounds(agent: &Agent) -> Result<f64> {
    agent.metrics()?.sum("weir_reconcile_errors_total", &[]).context("failed rounds are counted")
}

fn root_qdisc(world: &World, interface: &str) -> Result<String> {
    Ok(world.node.ns().qdiscs(interface)?[0].kind.clone())
}

#[test]
fn an_interface_that_cannot_be_prepared_costs_no_other_its_qdisc() -> Result<()> {
    let world = World::new()?;
    world.node.ns().ip(&[
        "link add port0 numtxqueues 1 numrxqueues 1 type veth peer name wire0",
        "link set wire0 up",
        "link set port0 up",
    ])?;
    let agent = world.agent()?;
    ensure!(root_qdisc(&world, "eth0")? == "fq", "the agent has put no fq there");
    std::thread::sleep(SETTLED);

    let _unrecordable = Unrecordable::begin(&world)?;
    world.node.objects().apply("other.yaml", &[second_uplink()])?;
    eventually(|| {
        ensure!(failed_rounds(&agent)? > 0.0, "no round has failed");
        Ok(())
    })?;
    ensure!(root_qdisc(&world, "port0")? != "fq", "a qdisc was replaced that nobody could put back");
    // A round that looks at no qdisc, because only an object has changed.
    world.node.objects().remove("other.yaml")?;
    std::thread::sleep(SETTLED);
    ensure!(root_qdisc(&world, "eth0")? == "fq", "the uplink has lost its fq");
    Ok(())
}

#[test]
fn a_step_that_always_fails_keeps_no_other_from_being_made() -> Result<()> {
    let world = World::new()?;
    world.tier(&json!({"dscp": "LE"}))?;
    let _unrecordable = Unrecordable::begin(&world)?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let agent = world.agent()?;
    let readiness = agent.get("/readyz")?;
    ensure!(readiness.contains("not in every part: ") && readiness.contains("Uplink wan: "), "{readiness}");
    ensure!(agent.metrics()?.sum("weir_degraded", &[("reason", "RoundFailed")]) == Some(1.0), "no metric says so");
    let status = world.node.weir(&["status", "--socket", &world.node.admin_socket().to_string_lossy()])?;
    let status = status.wait_ok(SOON)?;
    ensure!(status.contains("Uplink wan: ") && status.contains("(PartlyApplied)"), "{status}");

    // Limits are in force, and pods that come are counted, all of them soon.
    let call = world.call(&seed)?;
    world.wait_marked(&seed, true)?;
    drop(call);
    let names: Vec<String> = (0..6).map(|number| format!("web{number}")).collect();
    let _pods = names.iter().map(|name| world.pod(name, PodOptions::default(), &[])).collect::<Result<Vec<_>>>()?;
    eventually(|| {
        let metrics = agent.metrics()?;
        for name in &names {
            let counted = metrics.sum("weir_pod_network_transmit_bytes_total", &[("pod", name)]);
            ensure!(counted.is_some(), "{name} is not counted");
        }
        Ok(())
    })
}
