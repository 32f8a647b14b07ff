//! Objects that come, go, change, and are wrong.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_lab::PodOptions;

use crate::world::{BULK, LE, World, eventually};

#[test]
fn a_label_is_obeyed_when_it_comes_and_when_it_goes() -> Result<()> {
    let world = World::new()?;
    let seed = world.pod("seed", PodOptions::default(), &[])?;
    let _agent = world.agent()?;
    let call = world.call(&seed)?;
    for _ in 0..3 {
        world.node.objects().apply_pod(&seed, BULK)?;
        world.wait_marked(&seed, true)?;
        world.node.objects().apply_pod(&seed, &[])?;
        world.wait_marked(&seed, false)?;
    }
    let samples = call.finish()?;
    ensure!(samples.iter().all(|sample| sample.delay.is_some()), "a change cost a packet");
    Ok(())
}

#[test]
fn a_broken_file_leaves_the_last_good_version_in_force() -> Result<()> {
    let world = World::new()?;
    let (seed, agent, call) = world.shaped()?;
    let capture = world.watch(&seed)?;
    let tier = |spec: &str| {
        format!("apiVersion: weir.dev/v1alpha1\nkind: TrafficTier\nmetadata: {{name: bulk}}\nspec: {spec}\n")
    };
    for broken in [
        "kind: [".to_owned(),
        tier("{uplink: wan, ceiling: 0}"),
        tier("{uplink: wan, guarantee: 8M, ceiling: 4M}"),
        tier("{uplink: wan, guarantee: 200M}"),
        tier("{uplink: elsewhere}"),
    ] {
        world.node.objects().write("tier-bulk.yaml", &broken)?;
        eventually(|| {
            let rejected = agent.metrics()?.sum("weir_rejected_objects", &[]).unwrap_or_default();
            ensure!(rejected > 0.0, "nobody says that this is wrong: {broken}");
            Ok(())
        })?;
        std::thread::sleep(Duration::from_millis(300));
        // Back to good, so that each is a change from good to broken.
        world.tier(&serde_json::json!({"dscp": "LE"}))?;
        eventually(|| {
            let rejected = agent.metrics()?.sum("weir_rejected_objects", &[]).unwrap_or_default();
            ensure!(rejected == 0.0, "still rejected after it was mended: {broken}");
            Ok(())
        })?;
    }
    let packets = capture.drain();
    drop(call);
    ensure!(packets.len() > 50 && packets.iter().all(|packet| packet.dscp == LE), "shaping had a gap");
    Ok(())
}

#[test]
fn pods_come_and_go() -> Result<()> {
    let world = World::new()?;
    let _agent = world.agent()?;
    for round in 0..4 {
        let name = format!("seed{round}");
        let seed = world.pod(&name, PodOptions { host_number: Some(60), ..PodOptions::default() }, BULK)?;
        let call = world.call(&seed)?;
        world.wait_marked(&seed, true)?;
        drop(call);
        // Its object may outlive it, or it its object.
        if round % 2 == 0 {
            world.node.objects().remove_pod(&seed)?;
            drop(seed);
        } else {
            let object = seed.name().to_owned();
            drop(seed);
            world.node.objects().remove(&format!("pod-{object}.yaml"))?;
        }
    }
    Ok(())
}
