//! The pods of a node: each one's tier, its own limit, and where its packets are seen.

use std::collections::BTreeMap;

use super::{DesiredPod, DesiredTier, Here, PodCeiling, place, reasons};
use crate::model::{Labels, ObjectRef, Pod, PodKey, Rejection, Tier, World};

/// The label that every namespace has, whether or not its object shows it (KEP-2161).
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Every pod of this node that has not ended. `limits` are those of `tiers` that are in force on this node.
pub(super) fn of_node(
    world: &World,
    tiers: &BTreeMap<String, Tier>,
    limits: &BTreeMap<String, DesiredTier>,
    here: &Here<'_>,
    notes: &mut Vec<Rejection>,
) -> BTreeMap<PodKey, DesiredPod> {
    let local: BTreeMap<&PodKey, &Pod> =
        world.pods.iter().filter(|(_, pod)| pod.node == here.node && !pod.node.is_empty() && !pod.ended).collect();
    let mut places = place::of_pods(&local, here.host, notes);
    let mut namespaces: BTreeMap<&str, Labels> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (key, pod) in local {
        let namespace = namespaces.entry(&key.namespace).or_insert_with(|| namespace_labels(world, &key.namespace));
        let selecting: Vec<&str> = tiers
            .iter()
            .filter(|(name, _)| limits.contains_key(*name))
            .filter(|(_, tier)| tier.pods.matches(&pod.labels) && tier.namespaces.matches(namespace))
            .map(|(name, _)| name.as_str())
            .collect();
        let tier = selecting.first().map(|name| (*name).to_owned());
        if let [first, _, ..] = selecting[..] {
            let message = format!(
                "TrafficTiers {} select it; {first} comes first by name and is the one that counts",
                selecting.join(", ")
            );
            notes.push(note(key, pod, reasons::SEVERAL_TIERS, message));
        }
        let ceiling = ceiling(pod, tier.as_ref().and_then(|name| Some((name.as_str(), limits.get(name)?))));
        let place = places.remove(key).unwrap_or(super::Place::Unknown);
        found.insert(
            key.clone(),
            DesiredPod { uid: pod.uid.clone(), workload: pod.workload.clone(), place, tier, ceiling },
        );
    }
    found
}

fn namespace_labels(world: &World, name: &str) -> Labels {
    let mut labels = world.namespaces.get(name).cloned().unwrap_or_default();
    labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
    labels
}

fn ceiling(pod: &Pod, tier: Option<(&str, &DesiredTier)>) -> Option<PodCeiling> {
    let annotation = pod.egress_bandwidth.map(|rate| (rate, "annotation kubernetes.io/egress-bandwidth".to_owned()));
    let of_tier = tier.and_then(|(name, tier)| Some((tier.pod_ceiling?, format!("TrafficTier {name} perPodCeiling"))));
    let limits = [annotation, of_tier].into_iter().flatten().filter(|(rate, _)| *rate > 0);
    limits.min_by_key(|(rate, _)| *rate).map(|(rate, from)| PodCeiling { rate, from })
}

/// A note on a pod.
pub(super) fn note(key: &PodKey, pod: &Pod, reason: &str, message: String) -> Rejection {
    Rejection {
        object: ObjectRef { kind: "Pod".to_owned(), name: key.to_string() },
        location: pod.location.clone(),
        reason: reason.to_owned(),
        message,
    }
}
