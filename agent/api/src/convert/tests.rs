//! What each kind of resource is read as, and what of it is refused.
#![allow(clippy::needless_pass_by_value, reason = "literals and results are handed over as they are made")]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use weir_core::model::{self, InterfaceChoice, Operator, PodKey, Requirement, Selector};

use super::*;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn uplink_of(spec: Value) -> Result<model::Uplink, Vec<String>> {
    let resource = read(
        json!({ "apiVersion": "weir.dev/v1alpha1", "kind": "Uplink", "metadata": { "name": "wan" }, "spec": spec }),
    );
    uplink(&resource).map(|converted| converted.object).map_err(texts)
}

fn tier_of(spec: Value) -> Result<model::Tier, Vec<String>> {
    let metadata = json!({ "name": "bulk-seed" });
    let resource =
        read(json!({ "apiVersion": "weir.dev/v1alpha1", "kind": "TrafficTier", "metadata": metadata, "spec": spec }));
    traffic_tier(&resource).map(|converted| converted.object).map_err(texts)
}

fn pod_of(metadata: &Value, spec: &Value, status: &Value) -> Result<Converted<PodKey, model::Pod>, Vec<String>> {
    pod(&read(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status })))
        .map_err(texts)
}

fn texts(errors: Errors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Exactly these fields are wrong.
fn assert_fields<T: std::fmt::Debug>(result: Result<T, Vec<String>>, fields: &[&str]) {
    let errors = result.unwrap_err();
    let found: Vec<&str> = errors.iter().filter_map(|error| error.split_once(": ").map(|(path, _)| path)).collect();
    assert_eq!(found, fields, "{errors:#?}");
}

#[test]
fn an_uplink_has_the_documented_defaults() {
    let found = uplink_of(json!({ "capacity": "100M" })).unwrap();
    assert_eq!((found.capacity, found.headroom), (100_000_000, 300));
    assert_eq!(found.interface, InterfaceChoice::DefaultRoute);
    assert_eq!(found.nodes, Selector::default());
    let exempts = |address: &str| {
        let address: std::net::IpAddr = address.parse().unwrap();
        found.exempt.iter().any(|network| network.contains(&address))
    };
    for address in
        ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "224.0.0.251", "127.0.0.1", "255.255.255.255"]
    {
        assert!(exempts(address), "{address}");
    }
    for address in ["fd00::1", "fe80::1", "ff02::fb", "::1"] {
        assert!(exempts(address), "{address}");
    }
    for address in ["192.0.2.1", "100.64.0.1", "172.32.0.1", "2001:db8::1", "8.8.8.8"] {
        assert!(!exempts(address), "{address}");
    }
}

#[test]
fn an_uplink_is_read_as_written() {
    let found = uplink_of(json!({
        "capacity": 20_000_000, "scope": "Node", "headroom": "2.5%", "exempt": ["10.0.0.0/8", "fd00::/8"],
        "interface": { "name": "ppp0", "nodeSelector": { "matchLabels": { "site": "home" } } },
    }))
    .unwrap();
    assert_eq!((found.capacity, found.headroom, found.rate()), (20_000_000, 250, 19_500_000));
    assert_eq!(found.interface, InterfaceChoice::Named("ppp0".to_owned()));
    assert_eq!(found.nodes, Selector::label("site", "home"));
    assert_eq!(found.exempt.len(), 2);
    assert!(uplink_of(json!({ "capacity": "20M", "exempt": [] })).unwrap().exempt.is_empty());
}

#[test]
fn everything_that_is_wrong_with_an_uplink_is_named_at_once() {
    let wrong = json!({
        "capacity": "0", "scope": "Cluster", "headroom": "90%", "exempt": ["10.0.0.0/8", "10.0.0.1/8", "192.0.2.1", "lan"],
        "interface": { "name": "eth0/1", "nodeSelector": { "matchExpressions": [{ "key": "a", "operator": "Like" }] } },
    });
    let fields = [
        "spec.capacity",
        "spec.scope",
        "spec.headroom",
        "spec.exempt[1]",
        "spec.exempt[2]",
        "spec.exempt[3]",
        "spec.interface.nodeSelector.matchExpressions[0].operator",
        "spec.interface.name",
    ];
    let errors = uplink_of(wrong.clone()).unwrap_err();
    assert!(errors[1].contains("not supported yet"), "{}", errors[1]);
    assert!(errors[3].ends_with("write 10.0.0.0/8"), "{}", errors[3]);
    assert!(errors[4].ends_with("write 192.0.2.1/32"), "{}", errors[4]);
    assert_fields(uplink_of(wrong), &fields);
    assert_fields(uplink_of(json!({ "capacity": "1k" })), &["spec.capacity"]);
    assert!(uplink_of(json!({ "capacity": "1k", "headroom": "0%" })).is_ok());
}

#[test]
fn a_tier_has_the_documented_defaults() {
    let found = tier_of(json!({ "uplink": "wan" })).unwrap();
    assert_eq!(found.pods, Selector::label("traffic-tier", "bulk-seed"));
    assert_eq!(found.namespaces, Selector::default());
    assert_eq!((found.guarantee, found.ceiling, found.pod_ceiling, found.dscp), (0, None, None, None));
    let everything = tier_of(json!({ "uplink": "wan", "podSelector": {}, "weight": 1, "schedules": [] })).unwrap();
    assert_eq!(everything.pods, Selector::default());
}

#[test]
fn a_tier_is_read_as_written() {
    let found = tier_of(json!({
        "uplink": "wan", "guarantee": "10M", "ceiling": "80M", "perPodCeiling": 40_000_000, "dscp": "LE",
        "podSelector": { "matchExpressions": [
            { "key": "app", "operator": "In", "values": ["a", "b"] }, { "key": "x", "operator": "NotIn", "values": ["y"] },
            { "key": "example.com/bulk", "operator": "Exists" }, { "key": "vip", "operator": "DoesNotExist", "values": [] },
        ] },
    }))
    .unwrap();
    let requirement = |key: &str, operator| Requirement { key: key.to_owned(), operator };
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let expected = vec![
        requirement("app", Operator::In(values(&["a", "b"]))),
        requirement("x", Operator::NotIn(values(&["y"]))),
        requirement("example.com/bulk", Operator::Exists),
        requirement("vip", Operator::DoesNotExist),
    ];
    assert_eq!(found.pods.requirements, expected);
    let limits = (found.guarantee, found.ceiling, found.pod_ceiling, found.dscp);
    assert_eq!(limits, (10_000_000, Some(80_000_000), Some(40_000_000), Some(1)));
    assert_eq!(tier_of(json!({ "uplink": "wan", "dscp": 46 })).unwrap().dscp, Some(46));
}

#[test]
fn everything_that_is_wrong_with_a_tier_is_named_at_once() {
    let wrong = json!({
        "uplink": "", "guarantee": "0", "ceiling": "fast", "perPodCeiling": "2T", "dscp": 64, "weight": 2,
        "schedules": [{ "days": ["Sat"] }],
        "podSelector": { "matchLabels": { "a/b/c": "x", "d": "-" } },
        "namespaceSelector": { "matchExpressions": [
            { "key": "", "operator": "In" }, { "key": "b", "operator": "Exists", "values": ["é"] },
        ] },
    });
    let fields = [
        "spec.uplink",
        "spec.podSelector.matchLabels[\"a/b/c\"]",
        "spec.podSelector.matchLabels.d",
        "spec.namespaceSelector.matchExpressions[0].key",
        "spec.namespaceSelector.matchExpressions[0].values",
        "spec.namespaceSelector.matchExpressions[1].values[0]",
        "spec.namespaceSelector.matchExpressions[1].values",
        "spec.guarantee",
        "spec.ceiling",
        "spec.perPodCeiling",
        "spec.weight",
        "spec.schedules",
        "spec.dscp",
    ];
    assert_fields(tier_of(wrong), &fields);
    assert_fields(tier_of(json!({ "uplink": "wan", "guarantee": "10M", "ceiling": "5M" })), &["spec.ceiling"]);
}

#[test]
fn names_are_those_that_the_api_server_would_take() {
    for name in
        [json!(null), json!(""), json!("Wan"), json!("wan\n"), json!("-wan"), json!("w..an"), json!("w".repeat(254))]
    {
        let resource = json!({ "metadata": { "name": name }, "spec": { "capacity": "1M" } });
        let resource = json!({ "apiVersion": "weir.dev/v1alpha1", "kind": "Uplink", "metadata": resource["metadata"], "spec": resource["spec"] });
        assert_fields(uplink(&read(resource)).map_err(texts), &["metadata.name"]);
    }
    let metadata = json!({ "name": "wan", "namespace": "default" });
    let resource = json!({ "apiVersion": "weir.dev/v1alpha1", "kind": "Uplink", "metadata": metadata, "spec": { "capacity": "1M" } });
    assert_fields(uplink(&read(resource)).map_err(texts), &["metadata.namespace"]);
}

#[test]
fn a_pod_is_read_as_the_api_server_shows_it() {
    let metadata = json!({
        "name": "seed-0", "namespace": "media", "uid": "u-1", "labels": { "traffic-tier": "bulk-seed" },
        "annotations": { "kubernetes.io/egress-bandwidth": "20M" },
        "ownerReferences": [
            { "apiVersion": "v1", "kind": "Other", "name": "x", "uid": "1" },
            { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "seed", "uid": "2", "controller": true },
        ],
    });
    let status =
        json!({ "phase": "Running", "podIP": "10.1.0.1", "podIPs": [{ "ip": "10.1.0.1" }, { "ip": "fd00::1" }] });
    let found =
        pod_of(&metadata, &json!({ "nodeName": "n1", "hostNetwork": true, "containers": [] }), &status).unwrap();
    assert_eq!(found.name, PodKey { namespace: "media".to_owned(), name: "seed-0".to_owned() });
    assert!(found.ignored.is_empty());
    let object = found.object;
    assert_eq!(
        (object.uid.as_str(), object.node.as_str(), object.workload.as_str()),
        ("u-1", "n1", "StatefulSet/seed")
    );
    assert!(object.host_network && !object.ended);
    assert_eq!(object.addresses, ["10.1.0.1".parse().unwrap(), "fd00::1".parse().unwrap()].into());
    assert_eq!(object.egress_bandwidth, Some(20_000_000));
    assert_eq!(object.labels.len(), 1);
}

#[test]
fn only_the_mirror_of_a_static_pod_has_the_cgroup_of_its_manifest() {
    let (hash, mirror) = ("kubernetes.io/config.hash", "kubernetes.io/config.mirror");
    for (annotations, uid) in [
        (json!({}), "u-1"),
        (json!({ hash: "h-1", mirror: "h-1" }), "h-1"),
        // Anybody may write this into a pod of theirs.
        (json!({ hash: "h-1" }), "u-1"),
    ] {
        let metadata = json!({ "name": "etcd", "uid": "u-1", "annotations": annotations });
        let found = pod_of(&metadata, &json!({ "hostNetwork": true, "containers": [] }), &json!(null)).unwrap();
        assert_eq!(found.object.cgroup_uid, uid, "{annotations}");
    }
}

#[test]
fn a_pod_needs_little_and_ends_with_its_phase() {
    let of_phase = |phase: &str| pod_of(&json!({ "name": "a" }), &json!(null), &json!({ "phase": phase })).unwrap();
    for (phase, ended) in
        [("Pending", false), ("Running", false), ("Unknown", false), ("Succeeded", true), ("Failed", true)]
    {
        assert_eq!(of_phase(phase).object.ended, ended, "{phase}");
    }
    let found = pod_of(&json!({ "name": "a" }), &json!(null), &json!(null)).unwrap();
    assert_eq!(found.name.to_string(), "default/a");
    assert_eq!(found.object.workload, "Pod/a");
    assert_eq!((found.object.node.as_str(), found.object.addresses.len()), ("", 0));
    assert_fields(pod_of(&json!({ "name": "a" }), &json!(null), &json!({ "podIP": "10.1.0.256" })), &["status.podIP"]);
    let wrong = json!({ "podIPs": [{ "ip": "fd00::1" }, { "ip": "x" }] });
    assert_fields(
        pod_of(&json!({ "name": "a", "namespace": "A" }), &json!(null), &wrong),
        &["metadata.namespace", "status.podIPs[1].ip"],
    );
}

#[test]
fn a_limit_that_is_no_rate_does_not_take_the_pod_down() {
    for written in ["", "fast", "0", "5P"] {
        let metadata = json!({ "name": "a", "annotations": { "kubernetes.io/egress-bandwidth": written } });
        let found = pod_of(&metadata, &json!(null), &json!(null)).unwrap();
        assert_eq!(found.object.egress_bandwidth, None);
        let errors = texts(found.ignored);
        assert!(errors[0].starts_with("metadata.annotations[\"kubernetes.io/egress-bandwidth\"]: "), "{errors:?}");
        assert!(errors[0].contains(written) && errors.len() == 1, "{errors:?}");
    }
}

#[test]
fn the_workload_is_the_one_that_a_person_made() {
    let table = [
        ("ReplicaSet", "web-6d4cf56db6", Some("6d4cf56db6"), "Deployment/web"),
        ("ReplicaSet", "web-6d4cf56db6", None, "ReplicaSet/web-6d4cf56db6"),
        ("ReplicaSet", "web-other", Some("6d4cf56db6"), "ReplicaSet/web-other"),
        ("Job", "backup-28123456", None, "CronJob/backup"),
        ("Job", "backup-12", None, "Job/backup-12"),
        ("Job", "-28123456", None, "Job/-28123456"),
        ("DaemonSet", "proxy", None, "DaemonSet/proxy"),
        ("Node", "n1", None, "Pod/a"),
    ];
    for (kind, owner, hash, expected) in table {
        let labels = hash.map(|hash| json!({ "pod-template-hash": hash }));
        let owners = json!([{ "apiVersion": "v1", "kind": kind, "name": owner, "uid": "1", "controller": true }]);
        let metadata = json!({ "name": "a", "labels": labels, "ownerReferences": owners });
        assert_eq!(pod_of(&metadata, &json!(null), &json!(null)).unwrap().object.workload, expected);
    }
}

#[test]
fn nodes_and_namespaces_are_their_labels() {
    let metadata = json!({ "metadata": { "name": "n1", "labels": { "site": "home" } } });
    let of_node = node(&read(json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata["metadata"] }))).unwrap();
    let of_namespace =
        namespace(&read(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata["metadata"] }))).unwrap();
    assert_eq!(of_node, of_namespace);
    assert_eq!((of_node.name.as_str(), of_node.object["site"].as_str()), ("n1", "home"));
    assert_fields(
        node(&read(json!({ "apiVersion": "v1", "kind": "Node", "metadata": {} }))).map_err(texts),
        &["metadata.name"],
    );
}
