//! From the agent's start to the moment when everything is in force.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use weir::datapath::beside::InForce;
use weir_lab::{Agent, AgentOptions, Node};

use crate::cluster::Cluster;

/// How often it is looked whether all is in force.
const LOOK: Duration = Duration::from_millis(2);
/// An agent that takes longer counts as one that never enforces.
const LIMIT: Duration = Duration::from_mins(1);

/// Starts the agent and waits until the kernel has every pod of this node in its tier, and the agent says so.
pub(crate) fn measure<'a>(node: &'a Node, options: &AgentOptions, cluster: &Cluster) -> Result<(Agent<'a>, Duration)> {
    let start = Instant::now();
    let agent = node.spawn_agent(options)?;
    let mut kernel = None;
    loop {
        if kernel.is_none() {
            kernel = InForce::open(&node.bpffs()).ok();
        }
        if let Some(kernel) = &kernel
            && all_in_force(kernel, cluster)?
            && agent.get("/readyz").is_ok()
        {
            return Ok((agent, start.elapsed()));
        }
        ensure!(start.elapsed() < LIMIT, "not everything is in force after {LIMIT:?}\n{}", agent.log());
        std::thread::sleep(LOOK);
    }
}

fn all_in_force(kernel: &InForce, cluster: &Cluster) -> Result<bool> {
    let (slots, tiers) = (kernel.slots()?, kernel.tiers()?);
    if !cluster.tiers.iter().all(|tier| tiers.contains_key(&tier.owner)) {
        return Ok(false);
    }
    for pod in &cluster.pods {
        let wanted = tiers.get(&cluster.tiers[pod.tier].owner);
        let Some(&slot) = slots.get(&pod.owner) else { return Ok(false) };
        if wanted.is_none_or(|tier| !kernel.pod(slot).is_ok_and(|pod| pod.tiers.contains(tier))) {
            return Ok(false);
        }
    }
    Ok(true)
}
