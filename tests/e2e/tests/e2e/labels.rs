//! A label on a Deployment's pod decides what it may send.

use anyhow::{Result, ensure};

use crate::world::{CEILING_MBIT, world};

#[test]
fn a_label_decides_what_a_pod_may_send() -> Result<()> {
    let world = world()?;
    world.installed()?;
    let with = world.goodput();
    world.cluster.label_seed(false)?;
    world.wait_marked(false)?;
    let without = world.goodput();
    world.cluster.label_seed(true)?;
    world.wait_marked(true)?;
    let again = world.goodput();
    eprintln!("goodput in Mbit/s: {with:.2} with the label, {without:.2} without, {again:.2} with it again");
    for shaped in [with, again] {
        ensure!(shaped <= CEILING_MBIT, "{shaped:.2} Mbit/s went over the tier's ceiling");
        ensure!(without / shaped > 3.0, "{shaped:.2} Mbit/s with the label, {without:.2} without");
    }
    Ok(())
}
