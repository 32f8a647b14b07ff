//! Why one pod is limited as it is.

use weir_core::{
    desired::{DesiredPod, DesiredTier},
    model::{Location, PodKey, Rejection, Selector},
    snapshot::Snapshot,
};

use super::{
    convert::{finding, tier, uplink},
    pod, v1,
};

/// The pod that was asked for is not on this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node} has no pod {pod}{hint}")]
pub struct UnknownPod {
    /// This node.
    pub node: String,
    /// The pod that was asked for.
    pub pod: PodKey,
    /// What may have been meant, or how to go on; begins with its own punctuation.
    pub hint: String,
}

/// What holds for a pod of this node, and why.
pub fn explain_pod(snapshot: &Snapshot, key: &PodKey) -> Result<v1::ExplainPodResponse, UnknownPod> {
    let desired = snapshot.desired.pods.get(key);
    let now = snapshot.pods.get(key);
    if desired.is_none() && now.is_none() {
        return Err(UnknownPod { node: snapshot.node.clone(), pod: key.clone(), hint: hint(snapshot, key) });
    }
    let tier_name = desired.and_then(|pod| pod.tier.as_deref());
    let tier_desired = tier_name.and_then(|name| snapshot.desired.tiers.get(name));
    let uplink_name = tier_desired.map(|tier| tier.uplink.as_str());
    let findings = &snapshot.findings;
    Ok(v1::ExplainPodResponse {
        pod: Some(pod::message(key, desired, now)),
        tier_reason: tier_reason(snapshot, desired, tier_desired),
        tier: tier_name.map(|name| tier(name, tier_desired, snapshot.tiers.get(name))),
        uplink: uplink_name.map(|name| uplink(name, snapshot.desired.uplinks.get(name), snapshot.uplinks.get(name))),
        limits: limits(snapshot, desired),
        findings: findings
            .rejections
            .iter()
            .chain(&findings.notes)
            .filter(|found| concerns(found, key, tier_name, uplink_name))
            .map(finding)
            .collect(),
        degraded: snapshot.degraded.iter().map(|degraded| degraded.message.clone()).collect(),
    })
}

fn tier_reason(snapshot: &Snapshot, desired: Option<&DesiredPod>, tier: Option<&DesiredTier>) -> String {
    let Some(desired) = desired else {
        return "The source no longer has this pod: what the kernel holds for it is about to be taken out.".to_owned();
    };
    match (&desired.tier, tier) {
        (Some(name), Some(tier)) => format!(
            "{} on uplink {} selects {} in {}.",
            named("TrafficTier", name, tier.location.as_ref()),
            tier.uplink,
            all_or("every pod", "pods with", &tier.pods),
            all_or("every namespace", "namespaces with", &tier.namespaces),
        ),
        (Some(name), None) => format!("TrafficTier {name} selects it, but this node has no uplink for that tier."),
        (None, _) if snapshot.desired.tiers.is_empty() => {
            "No TrafficTier is in force on this node: the pod is interactive and never waits for others.".to_owned()
        }
        (None, _) => {
            let names: Vec<&str> = snapshot.desired.tiers.keys().map(String::as_str).collect();
            format!(
                "No TrafficTier on this node ({}) selects it: the pod is interactive and never waits for others.",
                names.join(", ")
            )
        }
    }
}

/// Every limit that holds for the pod, the tightest first; a guarantee is no limit and comes last.
fn limits(snapshot: &Snapshot, desired: Option<&DesiredPod>) -> Vec<v1::Limit> {
    let mut limits = Vec::new();
    let Some(desired) = desired else { return limits };
    let mut add = |what: &str, rate, from: String| {
        limits.push(v1::Limit { what: what.to_owned(), rate_bits_per_second: rate, from });
    };
    if let Some(ceiling) = &desired.ceiling {
        add("pod ceiling", ceiling.rate, ceiling.from.clone());
    }
    let Some((name, tier)) =
        desired.tier.as_ref().and_then(|name| snapshot.desired.tiers.get(name).map(|tier| (name, tier)))
    else {
        return limits;
    };
    let uplink = snapshot.desired.uplinks.get(&tier.uplink);
    if uplink.is_none_or(|uplink| tier.ceiling < uplink.rate) {
        let object = named("TrafficTier", name, tier.location.as_ref());
        add("tier ceiling", tier.ceiling, format!("{object} spec.ceiling, shared by the tier's pods"));
    }
    if let Some(uplink) = uplink {
        add("uplink rate", uplink.rate, format!("Uplink {} spec.capacity less headroom, shared by all", tier.uplink));
    }
    limits.sort_by_key(|limit| limit.rate_bits_per_second);
    if tier.guarantee > 0 {
        limits.push(v1::Limit {
            what: "tier guarantee".to_owned(),
            rate_bits_per_second: tier.guarantee,
            from: format!(
                "{} spec.guarantee, always available to the tier's pods together",
                named("TrafficTier", name, tier.location.as_ref())
            ),
        });
    }
    limits
}

/// An object, and the file and line that it comes from.
fn named(kind: &str, name: &str, location: Option<&Location>) -> String {
    location.map_or_else(|| format!("{kind} {name}"), |location| format!("{kind} {name} ({location})"))
}

fn all_or(all: &str, with: &str, selector: &Selector) -> String {
    if selector.is_everything() { all.to_owned() } else { format!("{with} {selector}") }
}

/// Whether a finding is about the pod, its tier or its uplink.
fn concerns(found: &Rejection, pod: &PodKey, tier: Option<&str>, uplink: Option<&str>) -> bool {
    match found.object.kind.as_str() {
        "Pod" => found.object.name == pod.to_string(),
        "TrafficTier" => tier == Some(found.object.name.as_str()),
        "Uplink" => uplink == Some(found.object.name.as_str()),
        "Namespace" => found.object.name == pod.namespace,
        _ => false,
    }
}

/// Pods that may have been meant: the same name elsewhere, or names that begin with the one asked for.
fn hint(snapshot: &Snapshot, key: &PodKey) -> String {
    let here = || snapshot.desired.pods.keys();
    let near: Vec<String> = here()
        .filter(|other| other.name == key.name || other.name.starts_with(&format!("{}-", key.name)))
        .take(3)
        .map(ToString::to_string)
        .collect();
    if !near.is_empty() {
        return format!("; did you mean {}?", near.join(" or "));
    }
    match here().count() {
        0 => "; it has no pods at all".to_owned(),
        count => format!("; `weir status` lists its {count} pods, other nodes have agents of their own"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::example;

    fn key(namespace: &str, name: &str) -> PodKey {
        PodKey { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn the_tightest_limit_comes_first_and_each_names_its_object() {
        let explained = explain_pod(&example::snapshot(), &key("media", "seed")).expect("the pod is there");
        let limits: Vec<_> =
            explained.limits.iter().map(|limit| (limit.what.as_str(), limit.rate_bits_per_second)).collect();
        assert_eq!(
            limits,
            [
                ("pod ceiling", 8_000_000),
                ("tier ceiling", 16_000_000),
                ("uplink rate", 19_400_000),
                ("tier guarantee", 2_000_000)
            ]
        );
        assert_eq!(explained.limits[0].from, "annotation kubernetes.io/egress-bandwidth");
        assert_eq!(
            explained.tier_reason,
            "TrafficTier bulk-seed (tiers.yaml:3) on uplink wan selects pods with traffic-tier=bulk-seed in every namespace."
        );
    }

    #[test]
    fn only_findings_of_the_pod_its_tier_and_uplink_are_shown() {
        let explained = explain_pod(&example::snapshot(), &key("media", "seed")).expect("the pod is there");
        let reasons: Vec<_> = explained.findings.iter().map(|found| found.reason.as_str()).collect();
        assert_eq!(reasons, ["SelectedTwice"]);
    }

    #[test]
    fn an_interactive_pod_has_no_limits() {
        let explained = explain_pod(&example::snapshot(), &key("shop", "web")).expect("the pod is there");
        assert_eq!(explained.limits, []);
        assert_eq!(explained.tier, None);
        assert!(explained.tier_reason.contains("(bulk-seed)"), "{}", explained.tier_reason);
    }

    #[test]
    fn a_pod_that_is_not_here_is_named_with_what_may_have_been_meant() {
        let error = explain_pod(&example::snapshot(), &key("default", "seed")).expect_err("no such pod");
        assert_eq!(error.to_string(), "node n1 has no pod default/seed; did you mean media/seed?");
    }
}
