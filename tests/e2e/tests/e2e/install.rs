//! What `kubectl` and the agent say once Weir is installed.

use anyhow::{Result, ensure};
use weir_e2e_tests::{SOON, within};

use crate::world::world;

#[test]
fn the_agent_tells_what_it_enforces() -> Result<()> {
    let world = world()?;
    world.installed()?;
    let cluster = &world.cluster;
    within(SOON, || {
        let status = cluster.weir(&["status"])?;
        ensure!(status.contains("wan0") && status.contains("default/seed-"), "{status}");
        Ok(())
    })?;
    within(SOON, || {
        for (object, wanted) in [("uplink/wan", "True 1/1 "), ("traffictier/bulk-seed", "True 1/1 1/1")] {
            let path = "jsonpath={.status.conditions[?(@.type==\"Enforced\")].status} {.status.nodes} {.status.pods}";
            let told = cluster.kubectl(&["get", object, "-o", path])?;
            ensure!(told == wanted, "{object} is said to be {told:?} and not {wanted:?}");
        }
        Ok(())
    })?;
    let pod = cluster.kubectl(&["get", "pods", "-l", "app=seed", "-o", "jsonpath={.items[0].metadata.name}"])?;
    let explained = cluster.weir(&["explain", "pod", &format!("default/{pod}")])?;
    ensure!(explained.contains("bulk-seed"), "{explained}");
    let doctor = cluster.weir(&["doctor"])?;
    ensure!(!doctor.is_empty(), "weir doctor says nothing");
    Ok(())
}
