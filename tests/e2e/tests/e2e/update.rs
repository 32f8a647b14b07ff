//! A rolling update of the agents.

use anyhow::{Context, Result, ensure};

use crate::world::world;

#[test]
fn an_update_lets_no_packet_through_unshaped() -> Result<()> {
    let world = world()?;
    world.installed()?;
    let tag = std::env::var("WEIR_NEXT_TAG").context("WEIR_NEXT_TAG is not set: cargo xtask sets it")?;
    let image = format!("weir:{tag}");
    world.without_a_gap(|world| {
        let set = format!("agent={image}");
        world.cluster.kubectl(&["set", "image", "-n", "weir-system", "daemonset/weir", &set])?;
        world.cluster.rolled_out("weir-system", "daemonset/weir")
    })?;
    let running = world.cluster.kubectl(&[
        "get",
        "pods",
        "-n",
        "weir-system",
        "--field-selector=status.phase=Running",
        "-o",
        "jsonpath={.items[*].spec.containers[0].image}",
    ])?;
    ensure!(running == image, "after the update the agents run {running:?}");
    // The new agent follows changes.
    world.cluster.label_seed(false)?;
    world.wait_marked(false)?;
    world.cluster.label_seed(true)?;
    world.wait_marked(true)
}
