//! A label on a Deployment's pod decides what it may send.

use anyhow::Result;

use crate::world::world;

#[test]
fn a_label_decides_what_a_pod_may_send() -> Result<()> {
    let world = world()?;
    world.install()?;
    world.a_label_decides()
}
