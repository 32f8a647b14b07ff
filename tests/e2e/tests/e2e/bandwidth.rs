//! A pod that another shaper holds too: the CNI's bandwidth plugin, which leads its packets through an ifb.

use anyhow::{Result, ensure};
use weir_e2e_tests::{CEILING_MBIT, World};

use crate::world::world;

/// What the plugin lets the pod send: four times what its tier may.
const ANNOTATED: &str = "6400k";
/// Less than this is no bulk.
const SOME_MBIT: f64 = 0.5;

fn is_held_by_its_tier(world: &World) -> Result<()> {
    let cluster = &world.cluster;
    // It alone sends bulk.
    cluster.kubectl(&["scale", "deployment", "seed", "--replicas=0"])?;
    cluster.kubectl(&["wait", "--for=delete", "pod", "-l", "app=seed", "--timeout=60s"])?;
    cluster.apply(&[world.internet.annotated_seed(ANNOTATED)])?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/annotated", "--timeout=60s"])?;
    let qdiscs = cluster.machine().ns().run(&["tc", "qdisc", "show"])?;
    ensure!(qdiscs.contains("qdisc tbf"), "the bandwidth plugin does not hold the pod:\n{qdiscs}");
    let goodput = world.goodput();
    eprintln!("goodput of the annotated pod: {goodput:.2} Mbit/s");
    ensure!(goodput >= SOME_MBIT, "the pod sends only {goodput:.2} Mbit/s");
    ensure!(goodput <= CEILING_MBIT, "{goodput:.2} Mbit/s went over the tier's ceiling of {CEILING_MBIT}");
    Ok(())
}

#[test]
fn a_pod_with_an_egress_bandwidth_is_held_by_its_tier() -> Result<()> {
    let world = world()?;
    world.installed()?;
    let held = is_held_by_its_tier(&world);
    // The other tests have the seed.
    let cluster = &world.cluster;
    cluster.kubectl(&["delete", "pod", "annotated", "--ignore-not-found", "--wait"])?;
    cluster.kubectl(&["scale", "deployment", "seed", "--replicas=1"])?;
    cluster.rolled_out("default", "deployment/seed")?;
    held
}
