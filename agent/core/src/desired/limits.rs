//! Each pod's tiers, one for each uplink, and its own ceilings.

use std::collections::BTreeMap;

use super::{DesiredPod, DesiredTier, DesiredUplink, PodCeiling, pods::note, reasons};
use crate::model::{Labels, Pod, PodKey, Rejection, World};

/// The label that every namespace has, whether or not its object shows it (KEP-2161).
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Puts the limits of a node's uplinks and tiers on its pods.
pub(super) fn of_pods(
    pods: BTreeMap<PodKey, DesiredPod>,
    world: &World,
    uplinks: &BTreeMap<String, DesiredUplink>,
    tiers: &BTreeMap<String, DesiredTier>,
    notes: &mut Vec<Rejection>,
) -> BTreeMap<PodKey, DesiredPod> {
    let mut namespaces: BTreeMap<String, Labels> = BTreeMap::new();
    let with_limits = pods.into_iter().map(|(key, mut desired)| {
        let Some(pod) = world.pods.get(&key) else { return (key, desired) };
        let namespace =
            namespaces.entry(key.namespace.clone()).or_insert_with(|| namespace_labels(world, &key.namespace));
        let mut selecting: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
        for (name, tier) in tiers {
            if tier.pods.matches(&pod.labels) && tier.namespaces.matches(namespace) {
                selecting.entry(&tier.uplink).or_default().push(name);
            }
        }
        for (uplink, names) in selecting {
            if let [first, _, ..] = names[..] {
                let message = format!(
                    "TrafficTiers {} of Uplink {uplink} select it; {first} comes first by name and is the one that counts",
                    names.join(", ")
                );
                notes.push(note(&key, pod, reasons::SEVERAL_TIERS, message));
            }
            desired.tiers.insert(uplink.clone(), names[0].to_owned());
        }
        for uplink in uplinks.keys() {
            let tier = desired.tiers.get(uplink).and_then(|name| Some((name.as_str(), tiers.get(name)?)));
            if let Some(ceiling) = ceiling(pod, tier) {
                desired.ceilings.insert(uplink.clone(), ceiling);
            }
        }
        (key, desired)
    });
    with_limits.collect()
}

fn namespace_labels(world: &World, name: &str) -> Labels {
    let mut labels = world.namespaces.get(name).cloned().unwrap_or_default();
    labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
    labels
}

/// The lowest of a pod's own limits on an uplink.
fn ceiling(pod: &Pod, tier: Option<(&str, &DesiredTier)>) -> Option<PodCeiling> {
    let annotation = pod.egress_bandwidth.map(|rate| (rate, "annotation kubernetes.io/egress-bandwidth".to_owned()));
    let of_tier = tier.and_then(|(name, tier)| Some((tier.pod_ceiling?, format!("TrafficTier {name} perPodCeiling"))));
    let limits = [annotation, of_tier].into_iter().flatten().filter(|(rate, _)| *rate > 0);
    limits.min_by_key(|(rate, _)| *rate).map(|(rate, from)| PodCeiling { rate, from })
}
