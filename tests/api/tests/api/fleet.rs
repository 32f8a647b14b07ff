//! Several nodes: real agents on nodes of the lab, whose pods come and go as the API server says.

use anyhow::{Context, Result};
use weir_api_tests::{ControlPlane, Kubelet, Setup};
use weir_lab::{Agent, Lab, LabOptions, Node, NodeOptions};

use crate::{
    agent::{as_admin, within},
    status::{condition, field, is_in_force},
    world::{TIER, UPLINK, define, pod},
};

const NODES: u8 = 3;

fn lease_holder(cluster: &ControlPlane) -> Result<String> {
    field(cluster, "lease", "weir", "{.spec.holderIdentity}")
}

/// Nodes and pods of the tier, as its columns show them.
fn counts(cluster: &ControlPlane) -> Result<String> {
    field(cluster, "traffictier", "bulk", "{.status.nodes} {.status.pods}")
}

/// The ceiling that an agent has put in force, in bits per second.
fn ceiling(agent: &Agent) -> Result<Option<f64>> {
    Ok(agent.metrics()?.sum("weir_tier_ceiling_bits_per_second", &[("tier", "bulk")]))
}

#[test]
fn several_nodes_are_told_of_as_one() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let nodes = (1..=NODES).map(|number| lab.node(number, NodeOptions::default())).collect::<Result<Vec<Node>>>()?;
    let cluster = Setup::default().on(&lab.client("api")?).start()?;
    define(&cluster)?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let mut kubelets = nodes.iter().map(|node| Kubelet::join(&cluster, node)).collect::<Result<Vec<_>>>()?;
    for node in &nodes {
        for (name, labels) in [("seed", "traffic-tier: bulk"), ("backup", "traffic-tier: bulk"), ("web", "app: web")] {
            cluster.apply(&pod(&format!("{name}-{}", node.name()), node.name(), labels))?;
        }
    }
    kubelets.iter_mut().try_for_each(Kubelet::work)?;
    let options = as_admin(&cluster)?;
    let start = |node| Node::start_agent(node, &options);
    let mut agents = nodes.iter().map(|node| start(node).map(Some)).collect::<Result<Vec<_>>>()?;
    within("all nodes and pods are counted", || Ok(counts(&cluster)? == "3/3 6/6"))?;

    // A pod ends as Kubernetes ends it, another is labelled.
    cluster.kubectl(&["delete", "pod", &format!("seed-{}", nodes[0].name()), "--wait=false"])?;
    cluster.kubectl(&["label", "pod", &format!("web-{}", nodes[1].name()), "traffic-tier=bulk"])?;
    cluster.kubectl(&["label", "pod", &format!("web-{}", nodes[2].name()), "traffic-tier=bulk"])?;
    kubelets.iter_mut().try_for_each(Kubelet::work)?;
    within("pods that come and go are counted", || Ok(counts(&cluster)? == "3/3 7/7"))?;

    // The agent that writes for all is killed: the others go on to enforce, and one of them to write.
    let holder = lease_holder(&cluster)?;
    let killed = nodes.iter().position(|node| node.name() == holder).with_context(|| format!("{holder} is no node"))?;
    agents[killed].take().context("it runs")?.kill()?;
    cluster.apply(&TIER.replace("8M", "6M"))?;
    for agent in agents.iter().flatten() {
        within("the others follow", || Ok(ceiling(agent)? == Some(6e6)))?;
    }
    within("another writes, and says who does not follow", || {
        let message = field(&cluster, "traffictier", "bulk", "{.status.conditions[?(@.type==\"Enforced\")].message}")?;
        Ok(message == format!("1 of 3 nodes have yet to follow: {holder}") && lease_holder(&cluster)? != holder)
    })?;
    agents[killed] = Some(start(&nodes[killed])?);
    within("all follow again", || {
        Ok(is_in_force(&condition(&cluster, "traffictier", "bulk", "Enforced")?) && counts(&cluster)? == "3/3 7/7")
    })?;

    // The uplink is one node's alone.
    let name = nodes[1].name();
    cluster.kubectl(&["label", "node", name, "wan=dsl"])?;
    cluster.apply(&UPLINK.replace("20M", "20M, interface: {nodeSelector: {matchLabels: {wan: dsl}}}"))?;
    within("the uplink concerns one node", || Ok(field(&cluster, "uplink", "wan", "{.status.nodes}")? == "1/1"))?;
    within("the tier has the pods of that node", || Ok(counts(&cluster)? == "1/1 3/3"))?;
    for (node, agent) in nodes.iter().zip(&agents) {
        let agent = agent.as_ref().context("it runs")?;
        within("it is in force there alone", || Ok(ceiling(agent)?.is_some() == (node.name() == name)))?;
    }
    agents.into_iter().flatten().try_for_each(|agent| agent.terminate().map(drop))
}
