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
    let tiers = || desired.into_iter().flat_map(|pod| &pod.tiers);
    let findings = &snapshot.findings;
    Ok(v1::ExplainPodResponse {
        pod: Some(pod::message(key, desired, now)),
        tier_reason: tier_reason(snapshot, desired),
        tiers: tiers()
            .map(|(_, name)| tier(name, snapshot.desired.tiers.get(name), snapshot.tiers.get(name)))
            .collect(),
        uplinks: tiers()
            .map(|(name, _)| uplink(name, snapshot.desired.uplinks.get(name), snapshot.uplinks.get(name)))
            .collect(),
        limits: limits(snapshot, desired),
        findings: findings
            .rejections
            .iter()
            .chain(&findings.notes)
            .filter(|found| concerns(found, key, desired))
            .map(finding)
            .collect(),
        degraded: snapshot.degraded.iter().map(|degraded| degraded.message.clone()).collect(),
    })
}

fn tier_reason(snapshot: &Snapshot, desired: Option<&DesiredPod>) -> String {
    let Some(desired) = desired else {
        return "The source no longer has this pod: what the kernel holds for it is about to be taken out.".to_owned();
    };
    if desired.tiers.is_empty() {
        if snapshot.desired.tiers.is_empty() {
            return "No TrafficTier is in force on this node: the pod is interactive and never waits for others."
                .to_owned();
        }
        let names: Vec<&str> = snapshot.desired.tiers.keys().map(String::as_str).collect();
        return format!(
            "No TrafficTier on this node ({}) selects it: the pod is interactive and never waits for others.",
            names.join(", ")
        );
    }
    let selections: Vec<String> =
        desired.tiers.values().filter_map(|name| Some(selection(name, snapshot.desired.tiers.get(name)?))).collect();
    selections.join(" ")
}

/// Which pods a tier selects, as a sentence.
fn selection(name: &str, tier: &DesiredTier) -> String {
    format!(
        "{} on uplink {} selects {} in {}.",
        named("TrafficTier", name, tier.location.as_ref()),
        tier.uplink,
        all_or("every pod", "pods with", &tier.pods),
        all_or("every namespace", "namespaces with", &tier.namespaces),
    )
}

/// Every limit that holds for the pod, the tightest first; guarantees are no limits and come last.
fn limits(snapshot: &Snapshot, desired: Option<&DesiredPod>) -> Vec<v1::Limit> {
    let (mut limits, mut guarantees) = (Vec::new(), Vec::new());
    let limit = |what: &str, rate, from: String| v1::Limit { what: what.to_owned(), rate_bits_per_second: rate, from };
    let Some(desired) = desired else { return limits };
    for (uplink, ceiling) in &desired.ceilings {
        // With several uplinks it has to be said on which the limit holds.
        let on = if desired.ceilings.len() > 1 { format!(", on uplink {uplink}") } else { String::new() };
        limits.push(limit("pod ceiling", ceiling.rate, format!("{}{on}", ceiling.from)));
    }
    for (uplink_name, name) in &desired.tiers {
        let Some(tier) = snapshot.desired.tiers.get(name) else { continue };
        let object = named("TrafficTier", name, tier.location.as_ref());
        let uplink = snapshot.desired.uplinks.get(uplink_name);
        if uplink.is_none_or(|uplink| tier.ceiling < uplink.rate) {
            let from = format!("{object} spec.ceiling, shared by the tier's pods");
            limits.push(limit("tier ceiling", tier.ceiling, from));
        }
        if let Some(uplink) = uplink {
            let from = format!("Uplink {uplink_name} spec.capacity less headroom, shared by all");
            limits.push(limit("uplink rate", uplink.rate, from));
        }
        if tier.guarantee > 0 {
            let from = format!("{object} spec.guarantee, always available to the tier's pods together");
            guarantees.push(limit("tier guarantee", tier.guarantee, from));
        }
    }
    limits.sort_by_key(|limit| limit.rate_bits_per_second);
    limits.append(&mut guarantees);
    limits
}

/// An object, and the file and line that it comes from.
fn named(kind: &str, name: &str, location: Option<&Location>) -> String {
    location.map_or_else(|| format!("{kind} {name}"), |location| format!("{kind} {name} ({location})"))
}

fn all_or(all: &str, with: &str, selector: &Selector) -> String {
    if selector.is_everything() { all.to_owned() } else { format!("{with} {selector}") }
}

/// Returns whether a finding is about the pod, its tiers or its uplinks.
fn concerns(found: &Rejection, pod: &PodKey, desired: Option<&DesiredPod>) -> bool {
    let name = &found.object.name;
    match found.object.kind.as_str() {
        "Pod" => *name == pod.to_string(),
        "TrafficTier" => desired.is_some_and(|pod| pod.is_in(name)),
        "Uplink" => desired.is_some_and(|pod| pod.tiers.contains_key(name)),
        "Namespace" => *name == pod.namespace,
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
        assert_eq!(explained.tiers, []);
        assert!(explained.tier_reason.contains("(bulk-seed)"), "{}", explained.tier_reason);
    }

    #[test]
    fn a_pod_that_is_not_here_is_named_with_what_may_have_been_meant() {
        let error = explain_pod(&example::snapshot(), &key("default", "seed")).expect_err("no such pod");
        assert_eq!(error.to_string(), "node n1 has no pod default/seed; did you mean media/seed?");
    }
}
