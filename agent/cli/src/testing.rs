//! Made-up nodes for tests of what is shown.

use weir_api::admin::v1::{
    Cgroup, ClassTraffic, DelayBucket, DelayHistogram, Drops, ExplainPodResponse, Finding, Interface, Limit, Pod,
    PodCeiling, PodDesired, PodObserved, PodTier, Qdisc, Reconcile, Snapshot, Tier, TierDesired, TierObserved, Uplink,
    UplinkDesired, UplinkObserved, pod_desired::Place,
};

/// A node after `second` seconds of steady traffic, with all in force.
pub(crate) fn healthy(second: u64) -> Snapshot {
    let at = |per_second: u64| per_second * second;
    Snapshot {
        uplinks: vec![uplink(second)],
        tiers: vec![tier(second)],
        pods: vec![
            pod(("kube-system", "node-exporter"), host_network(), [0, 0, at(1_000)]),
            pod(("media", "backup"), in_tier(8), [0, 0, 0]),
            seed(second),
            pod(("shop", "web"), veth(9), [at(5_000), at(70_000), at(4_800)]),
        ],
        reconcile: Some(Reconcile { rounds: at(2), last_duration_ns: 3_200_000, ..Reconcile::default() }),
        ..head(second)
    }
}

/// A node with a rejected object, a kernel without fq, and a pod that has not been found.
pub(crate) fn troubled() -> Snapshot {
    let mut snapshot = healthy(10);
    snapshot.degraded = vec!["degraded: no fq: ceilings are policed".to_owned()];
    if let Some(now) = &mut snapshot.uplinks[0].observed {
        now.paced = false;
        now.qdiscs[0].description = "fq_codel (not ours)".to_owned();
    }
    snapshot.pods.truncate(2);
    snapshot.pods[1].observed = None;
    if let Some(desired) = &mut snapshot.pods[1].desired {
        desired.place = None;
    }
    snapshot.rejections = vec![finding(
        ("TrafficTier", "archive"),
        "tiers.yaml",
        "UnknownUplink",
        "spec.uplink: there is no Uplink \"dsl\"; there is \"wan\"",
    )];
    snapshot.notes = vec![finding(
        ("Pod", "media/backup"),
        "pods.yaml",
        "InterfaceNotFound",
        "no interface of this node leads to 10.0.0.8",
    )];
    snapshot.reconcile = Some(Reconcile { rounds: 20, source_stale_ns: 125_000_000_000, ..Reconcile::default() });
    snapshot
}

/// A node that has just started, with an empty source.
pub(crate) fn empty() -> Snapshot {
    Snapshot { reconcile: Some(Reconcile::default()), ..head(0) }
}

/// A node with 250 pods.
pub(crate) fn crowded(second: u64) -> Snapshot {
    let pods = (0..250).map(|number| pod(("crowd", &format!("pod-{number:03}")), veth(number), [0, 0, 0])).collect();
    Snapshot { pods, ..healthy(second) }
}

/// The pod that seeds.
pub(crate) fn explained() -> ExplainPodResponse {
    let limit = |what: &str, rate_bits_per_second, from: &str| Limit {
        what: what.to_owned(),
        rate_bits_per_second,
        from: from.to_owned(),
    };
    ExplainPodResponse {
        pod: Some(seed(10)),
        tier_reason: "TrafficTier bulk-seed on uplink wan selects it.".to_owned(),
        tiers: vec![tier(10)],
        uplinks: vec![uplink(10)],
        limits: vec![
            limit("pod ceiling", 12_000_000, "annotation kubernetes.io/egress-bandwidth"),
            limit("tier ceiling", 16_000_000, "TrafficTier bulk-seed spec.ceiling"),
            limit("uplink rate", 19_400_000, "Uplink wan spec.capacity less headroom"),
        ],
        findings: vec![finding(("Pod", "media/seed"), "pods.yaml", "SelectedTwice", "bulk-seed wins over archive")],
        degraded: Vec::new(),
    }
}

/// A pod without limits.
pub(crate) fn explained_interactive() -> ExplainPodResponse {
    ExplainPodResponse {
        pod: healthy(10).pods.into_iter().next(),
        tier_reason: "No TrafficTier on this node (bulk-seed) selects it.".to_owned(),
        degraded: vec!["degraded: no fq: ceilings are policed".to_owned()],
        ..ExplainPodResponse::default()
    }
}

fn head(second: u64) -> Snapshot {
    Snapshot {
        node: "worker-1".to_owned(),
        version: "0.1.0".to_owned(),
        kernel: "6.12.9".to_owned(),
        monotonic_ns: second * 1_000_000_000,
        ..Snapshot::default()
    }
}

fn uplink(second: u64) -> Uplink {
    let class = |class: &str, per_second: u64, packets: u64| ClassTraffic {
        class: class.to_owned(),
        bytes: per_second * second,
        packets: packets * second,
    };
    Uplink {
        name: "wan".to_owned(),
        desired: Some(UplinkDesired {
            capacity_bits_per_second: 20_000_000,
            rate_bits_per_second: 19_400_000,
            interfaces: vec![Interface { ifindex: 2, name: "eth0".to_owned() }],
            exempt: vec!["10.0.0.0/8".to_owned()],
        }),
        observed: Some(UplinkObserved {
            id: 1,
            classes: vec![class("bulk", 1_200_000, 800), class("exempt", 10, 1), class("interactive", 40_000, 50)],
            booked_ns: 1_250_000,
            interactive_load_share: 0.0165,
            horizon_ns: 40_000_000,
            qdiscs: vec![Qdisc { interface: "eth0".to_owned(), description: "mq + 4 fq".to_owned() }],
            paced: true,
            ..UplinkObserved::default()
        }),
    }
}

fn tier(second: u64) -> Tier {
    let bucket = |upper_bound_ns, packets: u64| DelayBucket { upper_bound_ns, packets: packets * second };
    Tier {
        name: "bulk-seed".to_owned(),
        desired: Some(TierDesired {
            uplink: "wan".to_owned(),
            guarantee_bits_per_second: 2_000_000,
            ceiling_bits_per_second: 16_000_000,
            pod_ceiling_bits_per_second: None,
            dscp: Some(1),
        }),
        observed: Some(TierObserved {
            id: 1,
            bytes: 1_200_000 * second,
            packets: 800 * second,
            dropped_bytes: 3_000 * second,
            marked_packets: 4 * second,
            drops: drops(second),
            delay: Some(DelayHistogram {
                sum_ns: 2_000_000_000 * second,
                buckets: vec![bucket(Some(1 << 20), 300), bucket(Some(1 << 21), 490), bucket(None, 10)],
            }),
            ceiling_ahead_ns: 0,
            guarantee_ahead_ns: 8_000_000,
        }),
    }
}

fn seed(second: u64) -> Pod {
    let [transmit, receive, uplink] = [1_210_000, 60_000, 1_200_000].map(|per_second: u64| per_second * second);
    let mut seed = pod(("media", "seed"), in_tier(7), [transmit, receive, uplink]);
    if let Some(desired) = &mut seed.desired {
        desired.ceilings = vec![PodCeiling {
            rate_bits_per_second: 12_000_000,
            from: "annotation kubernetes.io/egress-bandwidth".to_owned(),
            uplink: "wan".to_owned(),
        }];
    }
    if let Some(now) = &mut seed.observed {
        now.drops = drops(second);
        now.marked_packets = 4 * second;
        now.ceiling_ahead_ns = 655_000;
    }
    seed
}

fn drops(second: u64) -> Vec<Drops> {
    vec![
        Drops { reason: "horizon".to_owned(), packets: 2 * second },
        Drops { reason: "policed".to_owned(), packets: 0 },
    ]
}

fn pod((namespace, name): (&str, &str), desired: PodDesired, [transmit, receive, uplink]: [u64; 3]) -> Pod {
    Pod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        observed: Some(PodObserved {
            slot: match &desired.place {
                Some(Place::Veth(interface)) => interface.ifindex,
                _ => 1,
            },
            transmit_bytes: transmit,
            transmit_packets: transmit / 1_000,
            receive_bytes: receive,
            receive_packets: receive / 1_000,
            uplink_bytes: uplink,
            uplink_packets: uplink / 1_000,
            ..PodObserved::default()
        }),
        desired: Some(PodDesired { workload: format!("Deployment/{name}"), ..desired }),
    }
}

fn veth(ifindex: u32) -> PodDesired {
    let place = Place::Veth(Interface { ifindex, name: format!("veth{ifindex}") });
    PodDesired { place: Some(place), ..PodDesired::default() }
}

fn in_tier(ifindex: u32) -> PodDesired {
    let tier = PodTier { uplink: "wan".to_owned(), tier: "bulk-seed".to_owned() };
    PodDesired { tiers: vec![tier], ..veth(ifindex) }
}

fn host_network() -> PodDesired {
    PodDesired { place: Some(Place::HostNetwork(Cgroup { id: 4242, level: 3 })), ..PodDesired::default() }
}

fn finding((kind, name): (&str, &str), file: &str, reason: &str, message: &str) -> Finding {
    Finding {
        kind: kind.to_owned(),
        name: name.to_owned(),
        file: file.to_owned(),
        line: 12,
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}
