//! A made-up node for tests of what is served.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use weir_core::{
    desired::{Desired, DesiredPod, DesiredTier, DesiredUplink, Findings, Place},
    model::{Location, ObjectRef, PodKey, Rejection, Selector},
    rates::{Rates, TierRate},
    snapshot::{Degraded, ExitCount, MapFill, PodNow, ReconcileStats, Snapshot, TierNow, UplinkNow, Versions},
};

use super::{Health, Served, snapshot_channel};

/// What the pod `seed` sends each second, with all digits in use.
pub(super) const SEED_BYTES: u64 = 1_234_567;
/// What its tier sends on the wire each second.
const TIER_BYTES: u64 = 1_200_000;

/// Serves `snapshot` to whoever asks, for as long as the runtime lives.
pub(super) fn served(snapshot: Snapshot) -> Served {
    let (snapshots, mut requests) = snapshot_channel();
    let snapshot = Arc::new(snapshot);
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            request.answer(snapshot.clone());
        }
    });
    Served { snapshots, health: Health::new(Duration::from_secs(10)), kernel: "6.12.0".to_owned() }
}

/// The node after `second` seconds of steady traffic.
pub(super) fn snapshot(second: u64) -> Snapshot {
    let at = |per_second: u64| per_second * second;
    Snapshot {
        monotonic_ns: at(1_000_000_000),
        node: "n1".to_owned(),
        version: "0.1.0".to_owned(),
        desired: desired(),
        findings: findings(),
        versions: Versions::default(),
        degraded: ["this kernel cannot make packets wait", "nor can its modules"]
            .map(|message| Degraded { reason: Degraded::NO_FQ, message: message.to_owned() })
            .into(),
        uplinks: BTreeMap::from([(
            "wan".to_owned(),
            UplinkNow {
                id: 1,
                bytes: BTreeMap::from([("interactive", at(40_000)), ("bulk", at(TIER_BYTES)), ("exempt", at(10))]),
                packets: BTreeMap::from([("interactive", at(50)), ("bulk", at(800)), ("exempt", at(1))]),
                paced: true,
                ..UplinkNow::default()
            },
        )]),
        tiers: BTreeMap::from([(
            "bulk-seed".to_owned(),
            TierNow {
                id: 1,
                bytes: at(TIER_BYTES),
                packets: at(800),
                dropped_bytes: at(3_000),
                marked: at(4),
                dropped: BTreeMap::from([("horizon", at(2)), ("policed", 0)]),
                delay_sum_ns: at(1_500_000_000),
                delay: vec![(1 << 14, at(100)), (1 << 15, at(600)), (1 << 16, 0), (u64::MAX, at(100))],
                ..TierNow::default()
            },
        )]),
        rates: Rates {
            uplinks: BTreeMap::from([(
                "wan".to_owned(),
                BTreeMap::from([("interactive", 320_000), ("bulk", 9_600_000), ("exempt", 80)]),
            )]),
            tiers: BTreeMap::from([("bulk-seed".to_owned(), TierRate { sent: 9_600_000, demanded: 9_624_000 })]),
        },
        pods: BTreeMap::from([
            (
                key("media", "seed"),
                PodNow {
                    slot: 1,
                    tx_bytes: at(SEED_BYTES),
                    tx_packets: at(900),
                    rx_bytes: at(60_000),
                    rx_packets: at(450),
                    dropped: BTreeMap::from([("horizon", at(2))]),
                    ..PodNow::default()
                },
            ),
            (key("shop", "web"), PodNow { slot: 2, tx_bytes: at(5_000), tx_packets: at(10), ..PodNow::default() }),
            (key("kube-system", "probe"), PodNow { slot: 3, ..PodNow::default() }),
        ]),
        exits: vec![ExitCount { program: "uplink_tx", exit: "paced", packets: at(800) }],
        maps: vec![MapFill { name: "PODS", entries: 3, capacity: 1024 }],
        reconcile: ReconcileStats { rounds: at(2), sum_seconds: 0.25, ..ReconcileStats::default() },
    }
}

fn key(namespace: &str, name: &str) -> PodKey {
    PodKey { namespace: namespace.to_owned(), name: name.to_owned() }
}

fn desired() -> Desired {
    let pod = |workload: &str, tier: Option<&str>, place| DesiredPod {
        workload: workload.to_owned(),
        place,
        tiers: tier.map(|tier| ("wan".to_owned(), tier.to_owned())).into_iter().collect(),
        ..DesiredPod::default()
    };
    let veth = |ifindex| Place::Veth { ifindex, name: format!("veth{ifindex}") };
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
                dscp: None,
                ..DesiredTier::default()
            },
        )]),
        pods: BTreeMap::from([
            (key("media", "seed"), pod("Deployment/seed", Some("bulk-seed"), veth(7))),
            (key("shop", "web"), pod("StatefulSet/web", None, veth(8))),
            (key("kube-system", "probe"), pod("DaemonSet/probe", None, Place::HostNetwork)),
        ]),
    }
}

fn findings() -> Findings {
    let rejection = Rejection {
        object: ObjectRef { kind: "TrafficTier".to_owned(), name: "backup".to_owned() },
        location: Some(Location { file: "tiers.yaml".to_owned(), line: 12 }),
        reason: "UnknownUplink".to_owned(),
        message: "no Uplink is named \"dsl\"".to_owned(),
    };
    Findings { rejections: vec![rejection], notes: Vec::new() }
}
