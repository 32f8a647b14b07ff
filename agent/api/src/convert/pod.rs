//! `Pod`: where it runs, its addresses, labels and own limit.

use std::{collections::BTreeSet, net::IpAddr};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use weir_core::model::{self, PodKey, Rate, rate};

use super::{Converted, Errors, FieldPath, field::Collector, meta};

/// The annotation with a pod's own ceiling, as the CNI's bandwidth plugin reads it.
pub const EGRESS_BANDWIDTH: &str = "kubernetes.io/egress-bandwidth";

/// The annotation with a static pod's own UID, which the kubelet writes into the object that stands for it.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";
const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// Reads a pod. A limit in its annotation that is no rate is ignored and reported; the pod stands.
pub fn pod(resource: &Pod) -> Result<Converted<PodKey, model::Pod>, Errors> {
    let mut errors = Collector::default();
    let name = meta::name(&resource.metadata, &mut errors);
    let namespace = resource.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
    errors.take(&FieldPath::of(&["metadata", "namespace"]), meta::subdomain(&namespace));
    let addresses = addresses(resource, &mut errors);
    let mut ignored = Collector::default();
    let egress_bandwidth = egress_bandwidth(&resource.metadata, &mut ignored);
    let spec = resource.spec.as_ref();
    let phase = resource.status.as_ref().and_then(|status| status.phase.as_deref());
    let pod = name.map(|name| Converted {
        object: model::Pod {
            uid: resource.metadata.uid.clone().unwrap_or_default(),
            node: spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            labels: resource.metadata.labels.clone().unwrap_or_default(),
            addresses,
            host_network: spec.and_then(|spec| spec.host_network).unwrap_or(false),
            cgroup_uid: cgroup_uid(&resource.metadata),
            started: started(resource),
            ended: matches!(phase, Some("Succeeded" | "Failed")),
            egress_bandwidth,
            workload: workload(&resource.metadata, &name),
            location: None,
        },
        name: PodKey { namespace, name },
        ignored: ignored.into_errors(),
    });
    errors.finish(pod)
}

fn addresses(resource: &Pod, errors: &mut Collector) -> BTreeSet<IpAddr> {
    let Some(status) = &resource.status else { return BTreeSet::new() };
    let path = FieldPath::of(&["status"]);
    let first = status.pod_ip.iter().map(|ip| (path.key("podIP"), ip));
    let all = status.pod_ips.iter().flatten().enumerate();
    let all = all.map(|(index, address)| (path.key("podIPs").index(index).key("ip"), &address.ip));
    let read = |(path, text): (FieldPath, &String)| {
        // An address that is empty is one that the pod does not have yet.
        let address = (!text.is_empty()).then(|| text.parse().map_err(|_| format!("{text:?} is no IP address")));
        errors.take(&path, address?)
    };
    first.chain(all).filter_map(read).collect()
}

/// The UID in the name of the pod's cgroup: a static pod's is the hash of its manifest. Only the kubelet's mirror of one is
/// believed: it runs nothing of what others mark so.
fn cgroup_uid(metadata: &ObjectMeta) -> String {
    let annotation = |name| metadata.annotations.as_ref().and_then(|annotations| annotations.get(name));
    let hash = annotation(CONFIG_MIRROR).and_then(|_| annotation(CONFIG_HASH));
    hash.or(metadata.uid.as_ref()).cloned().unwrap_or_default()
}

/// When the kubelet took the pod on; until then, when it was made.
fn started(resource: &Pod) -> Option<i64> {
    let started = resource.status.as_ref().and_then(|status| status.start_time.as_ref());
    started.or(resource.metadata.creation_timestamp.as_ref()).map(|time| time.0.as_second())
}

fn egress_bandwidth(metadata: &ObjectMeta, ignored: &mut Collector) -> Option<Rate> {
    let written = metadata.annotations.as_ref()?.get(EGRESS_BANDWIDTH)?;
    let path = FieldPath::of(&["metadata", "annotations", EGRESS_BANDWIDTH]);
    ignored.take(&path, rate::parse(written).map_err(|error| format!("{error}; the pod has no ceiling of its own")))
}

/// The controller that a person knows: the Deployment above a `ReplicaSet`, and the `CronJob` above a Job.
///
/// Pods do not name them. A `ReplicaSet` of a Deployment has its name and the pod-template-hash label; a Job of a `CronJob`
/// has its name and the scheduled minute as 8 to 10 digits (`getJobName` in `pkg/controller/cronjob`).
fn workload(metadata: &ObjectMeta, name: &str) -> String {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true) && owner.kind != "Node");
    let Some(controller) = controller else { return format!("Pod/{name}") };
    let hash = metadata.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
    let above = match (controller.kind.as_str(), controller.name.rsplit_once('-')) {
        ("ReplicaSet", Some((above, suffix))) if Some(suffix) == hash.map(String::as_str) => {
            Some(("Deployment", above))
        }
        ("Job", Some((above, suffix)))
            if (8..=10).contains(&suffix.len()) && suffix.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some(("CronJob", above))
        }
        _ => None,
    };
    let (kind, name) = above.filter(|(_, name)| !name.is_empty()).unwrap_or((&controller.kind, &controller.name));
    format!("{kind}/{name}")
}
