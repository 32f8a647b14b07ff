use weir_common::counters::delay_bucket;

use super::*;
use crate::{
    desired::{DesiredTier, DesiredUplink, PodCeiling},
    host::Link,
};

fn key(name: &str) -> PodKey {
    PodKey { namespace: "default".into(), name: name.into() }
}

fn pod(ifindex: u32, tier: Option<&str>) -> DesiredPod {
    DesiredPod {
        uid: format!("uid-{ifindex}"),
        workload: "Deployment/web".into(),
        place: Place::Veth { ifindex, name: format!("veth{ifindex}") },
        tier: tier.map(Into::into),
        ceiling: None,
    }
}

fn desired() -> Desired {
    let uplink = DesiredUplink {
        capacity: 20_000_000,
        rate: 19_400_000,
        interfaces: [(2, "eth0".to_owned())].into(),
        exempt: vec!["10.1.2.3/8".parse().unwrap()],
    };
    let tier = DesiredTier {
        uplink: "wan".into(),
        guarantee: 2_000_000,
        ceiling: 19_400_000,
        dscp: Some(1),
        ..DesiredTier::default()
    };
    Desired {
        uplinks: [("wan".to_owned(), uplink)].into(),
        tiers: [("bulk".to_owned(), tier)].into(),
        pods: [(key("seed"), pod(7, Some("bulk"))), (key("web"), pod(8, None))].into(),
    }
}

fn host() -> Host {
    let link = |name: &str, ethernet| Link { name: name.into(), ethernet, ..Link::default() };
    Host { links: [(2, link("eth0", true)), (7, link("a", true)), (8, link("b", true))].into(), ..Host::default() }
}

#[test]
fn names_become_ids_and_rates_become_costs() {
    let Rendered { state, ids, notes } = render(&desired(), &host(), &Pacing::default(), &KernelState::default());
    assert!(notes.is_empty());
    let (uplink, tier, seed) = (ids.uplinks["wan"], ids.tiers["bulk"], ids.pods[&key("seed")]);
    assert_eq!(state.uplinks[&uplink].capacity, cost_of_rate(19_400_000));
    assert_eq!(state.uplinks[&uplink].flags, 0);
    assert_eq!(state.tiers[&tier].uplink, uplink);
    assert_eq!((state.tiers[&tier].dscp, state.pods[&seed].tier), (1, tier));
    assert_eq!(state.interfaces[&7], InterfaceConfig { slot: seed, uplink: 0, l2_len: 14 });
    assert_eq!(state.interfaces[&2], InterfaceConfig { slot: 0, uplink, l2_len: 14 });
    assert_eq!(state.exempt, [(uplink, "10.0.0.0/8".parse().unwrap())].into());
    assert_eq!(state.attached.len(), 5);
}

#[test]
fn ids_are_the_ones_that_the_kernel_has() {
    let first = render(&desired(), &host(), &Pacing::default(), &KernelState::default());
    let mut without_web = desired();
    without_web.pods.remove(&key("web"));
    without_web.pods.insert(key("another"), pod(9, None));
    let second = render(&without_web, &host(), &Pacing::default(), &first.state);
    assert_eq!(second.ids.pods[&key("seed")], first.ids.pods[&key("seed")]);
    assert_ne!(second.ids.pods[&key("another")], first.ids.pods[&key("web")]);
}

#[test]
fn a_pod_made_anew_gets_another_slot() {
    let first = render(&desired(), &host(), &Pacing::default(), &KernelState::default());
    let mut anew = desired();
    anew.pods.get_mut(&key("seed")).unwrap().uid = "another".into();
    let second = render(&anew, &host(), &Pacing::default(), &first.state);
    assert_ne!(second.ids.pods[&key("seed")], first.ids.pods[&key("seed")]);
}

#[test]
fn host_network_pods_are_known_by_their_cgroup() {
    let mut desired = desired();
    let seed = desired.pods.get_mut(&key("seed")).unwrap();
    seed.place = Place::Cgroup { id: 99, level: 3 };
    seed.ceiling = Some(PodCeiling { rate: 1_000_000, from: "annotation".into() });
    let Rendered { state, ids, .. } = render(&desired, &host(), &Pacing::default(), &KernelState::default());
    assert_eq!(state.cgroups, [(99, ids.pods[&key("seed")])].into());
    assert_eq!(state.uplinks[&ids.uplinks["wan"]].cgroup_levels, 1 << 3);
    assert_eq!(state.pods[&ids.pods[&key("seed")]].ceiling, cost_of_rate(1_000_000));
}

#[test]
fn more_pods_than_slots_are_reported_and_the_others_stand() {
    let mut desired = desired();
    desired.pods = (0..1_100).map(|n| (key(&format!("pod-{n:04}")), pod(100 + n, None))).collect();
    let Rendered { state, notes, .. } = render(&desired, &host(), &Pacing::default(), &KernelState::default());
    assert_eq!(state.pods.len(), 1_023);
    assert_eq!(notes.len(), 1_100 - 1_023);
    assert_eq!(notes[0].reason, "NoRoom");
}

#[test]
fn the_longest_horizon_bounds_a_bucket_of_delays() {
    let longest = u64::from(Pacing::default().horizon_max_ns);
    assert_eq!(delay_bucket(longest) + 1, delay_bucket(longest + 1));
}
