//! Steps of a round that fail: what they must leave alone.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_lab::Agent;

use crate::world::{World, eventually};

/// Within this the agent has made every round that nothing but time asks for, until the slow tick.
const SETTLED: Duration = Duration::from_secs(3);

/// Keeps the agent from recording a qdisc, without which it must not replace one, until this is dropped.
struct Unrecordable(PathBuf);

impl Unrecordable {
    fn begin(world: &World) -> Result<Self> {
        let draft = world.node.state_dir().join("qdiscs.new");
        fs::create_dir(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
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
