//! The pods of a node, and where their packets are seen.

use std::collections::BTreeMap;

use super::{DesiredPod, Here, Place, place};
use crate::model::{ObjectRef, Pod, PodKey, Rejection, World};

/// Every pod of this node that has not ended, without its limits.
pub(super) fn of_node(world: &World, here: &Here<'_>, notes: &mut Vec<Rejection>) -> BTreeMap<PodKey, DesiredPod> {
    let local: BTreeMap<&PodKey, &Pod> =
        world.pods.iter().filter(|(_, pod)| pod.node == here.node && !pod.node.is_empty() && !pod.ended).collect();
    let mut places = place::of_pods(&local, here.host, notes);
    let taken = places.values().filter_map(Place::interface).collect();
    let found = local.into_iter().map(|(key, pod)| {
        let place = places.remove(key).unwrap_or_default();
        let further = place::further(&place, here.host, &taken);
        let desired = DesiredPod {
            uid: pod.uid.clone(),
            workload: pod.workload.clone(),
            place,
            further,
            cgroup: here.host.cgroups.get(&pod.cgroup_uid).copied(),
            addresses: if pod.host_network { [].into() } else { pod.addresses.clone() },
            ..DesiredPod::default()
        };
        (key.clone(), desired)
    });
    found.collect()
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
