//! An agent on a node of the lab, whose objects come from the API server.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use weir_api_tests::{ControlPlane, Kubelet};
use weir_lab::{Agent, AgentOptions, Lab, LabOptions, NodeOptions};

use crate::world::{TIER, UPLINK, define, pod};

/// How long something may take that is not measured here.
const SOON: Duration = Duration::from_mins(1);

/// Waits until something is so.
pub(crate) fn within(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + SOON;
    while !is_so()? {
        ensure!(Instant::now() < deadline, "{what}: not so within {SOON:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// An agent that may do everything at the API server. A failing test shows its log.
pub(crate) fn as_admin(cluster: &ControlPlane) -> Result<AgentOptions> {
    Ok(AgentOptions { kubeconfig: Some(cluster.kubeconfig("admin")?), tell_log: true, ..AgentOptions::default() })
}

/// Whether the agent counts the pod in the tier.
pub(crate) fn is_in_tier(agent: &Agent) -> Result<bool> {
    let labels = [("pod", "seed"), ("tier", "bulk")];
    Ok(agent.metrics()?.sum("weir_pod_network_transmit_bytes_total", &labels).is_some())
}

fn staleness(agent: &Agent) -> Result<f64> {
    Ok(agent.metrics()?.sum("weir_source_stale_seconds", &[]).unwrap_or_default())
}

#[test]
fn what_kubectl_says_is_enforced_also_while_the_api_server_is_away() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let mut cluster = ControlPlane::start_in(node.ns())?;
    define(&cluster)?;
    for object in [UPLINK, TIER, &pod("seed", node.name(), "app: seed")] {
        cluster.apply(object)?;
    }
    let mut kubelet = Kubelet::join(&cluster, &node)?;
    kubelet.work()?;
    let options = as_admin(&cluster)?;
    let agent = node.start_agent(&options)?;
    ensure!(!is_in_tier(&agent)?, "a pod without the label is in the tier");

    cluster.kubectl(&["label", "pod", "seed", "traffic-tier=bulk"])?;
    within("the label is enforced", || is_in_tier(&agent))?;
    cluster.kubectl(&["label", "pod", "seed", "traffic-tier-"])?;
    within("the label's absence is enforced", || Ok(!is_in_tier(&agent)?))?;
    cluster.kubectl(&["label", "pod", "seed", "traffic-tier=bulk"])?;
    within("the label is enforced again", || is_in_tier(&agent))?;
    ensure!(staleness(&agent)? == 0.0, "the source is said to be stale");

    cluster.stop_api_server()?;
    within("the source is said to be stale", || Ok(staleness(&agent)? > 0.0))?;
    ensure!(is_in_tier(&agent)?, "the policy went with the API server");
    agent.terminate()?;
    let agent = node.start_agent(&options)?;
    ensure!(is_in_tier(&agent)? && staleness(&agent)? > 0.0, "the policy went with the agent");

    cluster.start_api_server()?;
    within("the source is fresh again", || Ok(staleness(&agent)? == 0.0))?;
    cluster.kubectl(&["label", "pod", "seed", "traffic-tier-"])?;
    within("changes are followed again", || Ok(!is_in_tier(&agent)?))?;
    Ok(())
}
