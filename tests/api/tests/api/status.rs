//! What people see of an agent's work: columns, conditions and events.

use anyhow::{Context, Result, ensure};
use weir_api_tests::{ControlPlane, Kubelet};
use weir_lab::{Lab, LabOptions, NodeOptions};

use crate::{
    agent::{as_admin, within},
    world::{TIER, UPLINK, define, pod},
};

/// A field of an object, as kubectl prints it; empty while it is not there.
pub(crate) fn field(cluster: &ControlPlane, kind: &str, name: &str, path: &str) -> Result<String> {
    cluster.kubectl(&["get", kind, name, "-o", &format!("jsonpath={path}")])
}

pub(crate) fn condition(cluster: &ControlPlane, kind: &str, name: &str, condition: &str) -> Result<String> {
    let path = format!("{{range .status.conditions[?(@.type==\"{condition}\")]}}{{.status}} {{.reason}}{{end}}");
    field(cluster, kind, name, &path)
}

/// Not every kernel that these tests run on can make packets wait.
pub(crate) fn is_in_force(condition: &str) -> bool {
    ["True Enforced", "True NotPaced"].contains(&condition)
}

/// Reasons of the events on an object.
fn events(cluster: &ControlPlane, kind: &str, name: &str) -> Result<String> {
    let selector = format!("--for={kind}/{name}");
    cluster.kubectl(&[
        "events",
        "-A",
        &selector,
        "-o",
        "jsonpath={range .items[*]}{.type} {.reason}: {.message}{\"\\n\"}{end}",
    ])
}

#[test]
fn columns_conditions_and_events_tell_the_truth() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let cluster = ControlPlane::start_in(node.ns())?;
    define(&cluster)?;
    for object in [UPLINK, TIER, &pod("seed", node.name(), "traffic-tier: bulk")] {
        cluster.apply(object)?;
    }
    let mut kubelet = Kubelet::join(&cluster, &node)?;
    kubelet.work()?;
    let options = as_admin(&cluster)?;
    let agent = node.start_agent(&options)?;
    within("the tier is said to be enforced", || {
        Ok(is_in_force(&condition(&cluster, "traffictier", "bulk", "Enforced")?))
    })?;
    ensure!(field(&cluster, "traffictier", "bulk", "{.status.nodes} {.status.pods}")? == "1/1 1/1");
    ensure!(condition(&cluster, "uplink", "wan", "Accepted")? == "True Accepted");
    ensure!(is_in_force(&condition(&cluster, "weirnode", node.name(), "Enforced")?));
    let owner = field(&cluster, "weirnode", node.name(), "{.metadata.ownerReferences[0].kind}")?;
    ensure!(owner == "Node", "the WeirNode does not go with its Node: {owner:?}");
    for (kind, name) in [("uplink", "wan"), ("traffictier", "bulk")] {
        let told = events(&cluster, kind, name)?;
        ensure!(!told.contains("Warning"), "after an installation that went well, {kind} {name} has events\n{told}");
    }
    let columns = cluster.kubectl(&["get", "traffictiers,uplinks,weirnodes"])?;
    for word in ["ENFORCED", "REASON", "NODES", "PODS", "RATE", "1/1", "True"] {
        ensure!(columns.contains(word), "no {word} in\n{columns}");
    }

    // What cannot be obeyed beside the others: the guarantee is over what the uplink carries.
    cluster.apply(&TIER.replace("ceiling: 8M", "guarantee: 50M"))?;
    within("the tier is said not to be accepted", || {
        Ok(condition(&cluster, "traffictier", "bulk", "Accepted")? == "False GuaranteesOverCapacity")
    })?;
    within("an event says so", || {
        Ok(events(&cluster, "traffictier", "bulk")?.contains("Warning GuaranteesOverCapacity: the guarantees"))
    })?;
    cluster.apply(TIER)?;
    within("the tier is enforced again", || Ok(is_in_force(&condition(&cluster, "traffictier", "bulk", "Enforced")?)))?;
    let told = events(&cluster, "traffictier", "bulk")?;
    ensure!(told.matches("GuaranteesOverCapacity").count() == 1, "told more than once:\n{told}");

    // An interface that is not there is a matter of this node.
    cluster.apply(&UPLINK.replace("20M", "20M, interface: {name: dsl0}"))?;
    within("the uplink is said to have no interface", || {
        Ok(condition(&cluster, "uplink", "wan", "Enforced")? == "False InterfaceMissing")
    })?;
    within("the node says so too", || {
        Ok(condition(&cluster, "weirnode", node.name(), "Enforced")? == "False InterfaceMissing")
    })?;
    cluster.kubectl(&["delete", "uplink", "wan"])?;
    within("the tier is said to name no uplink", || {
        Ok(condition(&cluster, "traffictier", "bulk", "Accepted")? == "False UnknownUplink")
    })?;

    cluster.kubectl(&["annotate", "pod", "seed", "kubernetes.io/egress-bandwidth=fast"])?;
    within("an event on the pod says what is wrong", || {
        Ok(events(&cluster, "pod", "seed")?.contains("egress-bandwidth"))
    })?;
    agent.terminate().context("the agent does not end")?;
    Ok(())
}

#[test]
fn what_could_not_be_applied_is_not_said_to_be() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let cluster = ControlPlane::start_in(node.ns())?;
    define(&cluster)?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    // The uplink's program cannot be pinned where there is something else.
    let links: serde_json::Value = serde_json::from_str(&node.ns().run(&["ip", "-j", "link", "show", "dev", "eth0"])?)?;
    let pin = node.bpffs().join(format!("weir/v2/links/{}-uplink_tx", links[0]["ifindex"]));
    std::fs::create_dir_all(&pin)?;
    let _kubelet = Kubelet::join(&cluster, &node)?;
    let agent = node.start_agent(&as_admin(&cluster)?)?;
    within("the uplink is said not to be in force", || {
        Ok(condition(&cluster, "uplink", "wan", "Enforced")? == "False NotApplied")
    })?;
    within("the node says what failed", || {
        Ok(condition(&cluster, "weirnode", node.name(), "Enforced")? == "False RoundFailed"
            && field(&cluster, "weirnode", node.name(), "{.status.degraded}")?.contains("Uplink wan"))
    })?;
    std::fs::remove_dir(&pin)?;
    within("the uplink is in force once there is room", || {
        Ok(is_in_force(&condition(&cluster, "uplink", "wan", "Enforced")?))
    })?;
    agent.terminate()?;
    Ok(())
}
