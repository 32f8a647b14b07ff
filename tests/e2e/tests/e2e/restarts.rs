//! The node's own programs come and go; shaping stays.

use anyhow::Result;
use weir_e2e_tests::{SOON, all_marked, within};
use weir_lab::cluster::Program;

use crate::world::world;

#[test]
fn shaping_outlives_the_kubelet_and_the_container_runtime() -> Result<()> {
    let mut world = world()?;
    world.installed()?;
    let (seen, start) = (world.watch()?, std::time::Instant::now());
    world.cluster.restart(Program::Containerd)?;
    world.cluster.restart(Program::Kubelet)?;
    // This goes through both.
    within(SOON, || world.cluster.weir(&["status"]))?;
    all_marked(&seen, start.elapsed().as_secs_f64())?;
    world.cluster.label_seed(false)?;
    world.wait_marked(false)?;
    world.cluster.label_seed(true)?;
    world.wait_marked(true)
}
