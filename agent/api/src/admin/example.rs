//! A made-up node for tests: an uplink of 20 Mbit/s, a tier, a pod in it and one beside it.

use std::collections::BTreeMap;

use weir_core::{
    desired::{Desired, DesiredPod, DesiredTier, DesiredUplink, Findings, Place, PodCeiling},
    host::Cgroup,
    model::{Location, ObjectRef, PodKey, Rejection, Selector},
    snapshot::{PodNow, ReconcileStats, Snapshot, TierNow, UplinkNow},
};

pub(super) fn snapshot() -> Snapshot {
    let seed = PodKey { namespace: "media".to_owned(), name: "seed".to_owned() };
    let web = PodKey { namespace: "shop".to_owned(), name: "web".to_owned() };
    Snapshot {
        monotonic_ns: 5_000_000_000,
        node: "n1".to_owned(),
        version: "0.1.0".to_owned(),
        desired: desired(&seed, &web),
        findings: findings(),
        uplinks: BTreeMap::from([(
            "wan".to_owned(),
            UplinkNow { id: 1, load: 1 << 14, horizon_ns: 8_000_000, paced: true, ..UplinkNow::default() },
        )]),
        tiers: BTreeMap::from([(
            "bulk-seed".to_owned(),
            TierNow { id: 1, delay: vec![(1 << 14, 3), (u64::MAX, 1)], ..TierNow::default() },
        )]),
        pods: BTreeMap::from([
            (seed, PodNow { slot: 1, ..PodNow::default() }),
            (web, PodNow { slot: 2, ..PodNow::default() }),
        ]),
        reconcile: ReconcileStats { rounds: 3, sum_seconds: 1.5, ..ReconcileStats::default() },
        ..Snapshot::default()
    }
}

fn desired(seed: &PodKey, web: &PodKey) -> Desired {
    Desired {
        uplinks: BTreeMap::from([(
            "wan".to_owned(),
            DesiredUplink {
                capacity: 20_000_000,
                rate: 19_400_000,
                overhead: None,
                interfaces: BTreeMap::from([(2, "eth0".to_owned())]),
                exempt: Vec::new(),
            },
        )]),
        tiers: BTreeMap::from([(
            "bulk-seed".to_owned(),
            DesiredTier {
                uplink: "wan".to_owned(),
                pods: Selector::label("traffic-tier", "bulk-seed"),
                location: Some(Location { file: "tiers.yaml".to_owned(), line: 3 }),
                guarantee: 2_000_000,
                ceiling: 16_000_000,
                dscp: Some(1),
                ..DesiredTier::default()
            },
        )]),
        pods: BTreeMap::from([
            (
                seed.clone(),
                DesiredPod {
                    uid: "u1".to_owned(),
                    workload: "Deployment/seed".to_owned(),
                    place: Place::Veth { ifindex: 7, name: "veth7".to_owned() },
                    tiers: BTreeMap::from([("wan".to_owned(), "bulk-seed".to_owned())]),
                    ceilings: BTreeMap::from([(
                        "wan".to_owned(),
                        PodCeiling { rate: 8_000_000, from: "annotation kubernetes.io/egress-bandwidth".to_owned() },
                    )]),
                    ..DesiredPod::default()
                },
            ),
            (
                web.clone(),
                DesiredPod {
                    uid: "u2".to_owned(),
                    workload: "Deployment/web".to_owned(),
                    place: Place::HostNetwork,
                    cgroup: Some(Cgroup { id: 42, level: 3 }),
                    ..DesiredPod::default()
                },
            ),
        ]),
    }
}

fn findings() -> Findings {
    let found = |kind: &str, name: &str, line, reason: &str| Rejection {
        object: ObjectRef { kind: kind.to_owned(), name: name.to_owned() },
        location: Some(Location { file: "tiers.yaml".to_owned(), line }),
        reason: reason.to_owned(),
        message: "made up".to_owned(),
    };
    Findings {
        rejections: vec![found("TrafficTier", "backup", 12, "UnknownUplink")],
        notes: vec![found("Pod", "media/seed", 40, "SelectedTwice"), found("Pod", "shop/web", 50, "NotFound")],
    }
}
