//! As many pods as a node may have.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_lab::{PodOptions, pod_object};

use crate::world::{BULK, World, within};

/// Twice what the kubelet allows a node unless told otherwise, and more.
const PODS: usize = 250;
/// For all of them at once, on an emulated machine: two programs are attached for each.
const ALL_KNOWN: Duration = Duration::from_mins(1);

#[test]
fn two_hundred_and_fifty_pods_are_known_counted_and_shaped() -> Result<()> {
    let world = World::new()?;
    let agent = world.agent()?;
    let pods = (0..PODS)
        .map(|number| world.node.pod(&format!("pod{number}"), PodOptions::default()))
        .collect::<Result<Vec<_>>>()?;
    let objects: Vec<_> = pods.iter().map(|pod| pod_object(pod, BULK)).collect();
    world.node.objects().apply("pods.yaml", &objects)?;
    within(ALL_KNOWN, || {
        let metrics = agent.metrics()?;
        let counted = pods
            .iter()
            .filter(|pod| metrics.sum("weir_pod_network_transmit_bytes_total", &[("pod", pod.name())]).is_some());
        let counted = counted.count();
        ensure!(counted == PODS, "{counted} of {PODS} pods are counted");
        Ok(())
    })?;
    for pod in [&pods[0], &pods[PODS / 2], &pods[PODS - 1]] {
        let call = world.call(pod)?;
        world.wait_marked(pod, true)?;
        drop(call);
    }
    Ok(())
}
