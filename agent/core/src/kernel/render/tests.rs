use weir_common::counters::delay_bucket;

use super::*;
use crate::{
    desired::{DesiredTier, DesiredUplink, PodCeiling},
    host::{Blocked, Cgroup, Link},
};

static NONE: BTreeSet<u16> = BTreeSet::new();

fn key(name: &str) -> PodKey {
    PodKey { namespace: "default".into(), name: name.into() }
}

fn pod(ifindex: u32, tier: Option<&str>) -> DesiredPod {
    DesiredPod {
        uid: format!("uid-{ifindex}"),
        place: Place::Veth { ifindex, name: format!("veth{ifindex}") },
        addresses: [IpAddr::from([10, 1, 0, u8::try_from(ifindex % 256).unwrap()])].into(),
        tiers: tier.map(|tier| ("wan".to_owned(), tier.to_owned())).into_iter().collect(),
        ..DesiredPod::default()
    }
}

fn desired() -> Desired {
    let uplink = DesiredUplink {
        capacity: 20_000_000,
        rate: 19_400_000,
        overhead: None,
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
    let Rendered { state, ids, notes, .. } =
        render(&desired(), &host(), &Pacing::default(), &KernelState::default(), &NONE);
    assert!(notes.is_empty());
    let (uplink, tier, seed) = (ids.uplinks["wan"], ids.tiers["bulk"], ids.pods[&key("seed")]);
    assert_eq!(state.uplinks[&uplink].capacity, cost_of_rate(19_400_000));
    assert_eq!(state.uplinks[&uplink].flags, 0);
    assert_eq!(state.tiers[&tier].uplink, uplink);
    assert_eq!((state.tiers[&tier].dscp, state.pods[&seed].tiers[usize::from(uplink)]), (1, tier));
    assert_eq!(
        state.interfaces[&7],
        InterfaceConfig { slot: seed, l2_len: 14, flags: INTERFACE_SAMPLES, ..Default::default() }
    );
    assert_eq!(state.interfaces[&2], InterfaceConfig { uplink, l2_len: 14, ..Default::default() });
    assert_eq!(state.exempt, [(uplink, "10.0.0.0/8".parse().unwrap())].into());
    assert_eq!(state.attached.len(), 5);
}

#[test]
fn ids_are_the_ones_that_the_kernel_has() {
    let first = render(&desired(), &host(), &Pacing::default(), &KernelState::default(), &NONE);
    let mut without_web = desired();
    without_web.pods.remove(&key("web"));
    without_web.pods.insert(key("another"), pod(9, None));
    let second = render(&without_web, &host(), &Pacing::default(), &first.state, &NONE);
    assert_eq!(second.ids.pods[&key("seed")], first.ids.pods[&key("seed")]);
    assert_ne!(second.ids.pods[&key("another")], first.ids.pods[&key("web")]);
}

#[test]
fn a_pod_made_anew_gets_another_slot() {
    let first = render(&desired(), &host(), &Pacing::default(), &KernelState::default(), &NONE);
    let mut anew = desired();
    anew.pods.get_mut(&key("seed")).unwrap().uid = "another".into();
    let second = render(&anew, &host(), &Pacing::default(), &first.state, &NONE);
    assert_ne!(second.ids.pods[&key("seed")], first.ids.pods[&key("seed")]);
}

#[test]
fn host_network_pods_are_known_by_their_cgroup() {
    let mut desired = desired();
    let seed = desired.pods.get_mut(&key("seed")).unwrap();
    seed.place = Place::HostNetwork;
    seed.cgroup = Some(Cgroup { id: 99, level: 3 });
    seed.ceilings = [("wan".to_owned(), PodCeiling { rate: 1_000_000, from: "annotation".into() })].into();
    let Rendered { state, ids, .. } = render(&desired, &host(), &Pacing::default(), &KernelState::default(), &NONE);
    assert_eq!(state.cgroups, [(99, ids.pods[&key("seed")])].into());
    assert_eq!(state.uplinks[&ids.uplinks["wan"]].cgroup_levels, 1 << 3);
    let wan = usize::from(ids.uplinks["wan"]);
    assert_eq!(state.pods[&ids.pods[&key("seed")]].ceilings[wan], cost_of_rate(1_000_000));
}

#[test]
fn a_pod_with_limits_is_known_by_its_sockets_too() {
    let mut desired = desired();
    for pod in desired.pods.values_mut() {
        pod.cgroup = Some(Cgroup { id: 90 + u64::try_from(pod.uid.len()).unwrap(), level: 3 });
    }
    let Rendered { state, ids, .. } = render(&desired, &host(), &Pacing::default(), &KernelState::default(), &NONE);
    assert_eq!(state.cgroups.values().collect::<Vec<_>>(), [&ids.pods[&key("seed")]], "not the interactive pod");
    assert_eq!(state.addresses.len(), 2, "addresses of all pods");
}

#[test]
fn a_pod_on_a_bridge_is_tagged_and_its_bridge_may_tag_it_again() {
    let mut host = host();
    host.links.insert(20, Link { name: "cni0".into(), kind: Some("bridge".into()), ethernet: true, ..Link::default() });
    host.links.get_mut(&7).unwrap().master = Some(20);
    let Rendered { state, ids, .. } = render(&desired(), &host, &Pacing::default(), &KernelState::default(), &NONE);
    assert_eq!(state.interfaces[&7].flags, INTERFACE_SAMPLES | INTERFACE_TAGS);
    assert_eq!(state.interfaces[&20].flags, INTERFACE_SHARED);
    assert_eq!(state.pods[&ids.pods[&key("seed")]].flags, POD_TIERED | POD_TAGGED);
    assert_eq!(state.pods[&ids.pods[&key("web")]].flags, 0);
    assert!(state.attached.contains(&(20, Program::BridgeRx)));
}

#[test]
fn an_uplink_on_a_bridges_port_is_handed_its_packets_senders() {
    let mut host = host();
    host.links.insert(20, Link { name: "br0".into(), kind: Some("bridge".into()), ethernet: true, ..Link::default() });
    host.links.get_mut(&2).unwrap().master = Some(20);
    let Rendered { state, .. } = render(&desired(), &host, &Pacing::default(), &KernelState::default(), &NONE);
    assert_eq!(state.interfaces[&2].flags, INTERFACE_PORT);
    assert!(state.interfaces.contains_key(&20) && state.attached.contains(&(20, Program::BridgeTx)));
}

#[test]
fn a_blocked_interface_gets_no_program_and_its_pod_is_counted_by_it() {
    let mut host = host();
    host.links.get_mut(&7).unwrap().blocked = Some(Blocked::IngressQdisc);
    let Rendered { state, ids, counted_by_interface, .. } =
        render(&desired(), &host, &Pacing::default(), &KernelState::default(), &NONE);
    let seed = ids.pods[&key("seed")];
    assert_eq!(counted_by_interface, [(seed, 7)].into());
    assert_eq!(state.interfaces[&7].slot, seed, "it is still known by its interface");
    assert!(state.attached.iter().all(|(ifindex, _)| *ifindex != 7));
}

#[test]
fn exempt_networks_beyond_the_room_are_left_out_by_name() {
    let mut desired = desired();
    let networks = (0..300u32).map(|n| format!("11.{}.{}.0/24", n / 256, n % 256).parse().unwrap());
    desired.uplinks.get_mut("wan").unwrap().exempt = networks.collect();
    let Rendered { state, notes, .. } = render(&desired, &host(), &Pacing::default(), &KernelState::default(), &NONE);
    assert_eq!(state.exempt.len(), MAX_EXEMPT_PER_UPLINK as usize);
    assert_eq!((notes[0].object.to_string().as_str(), notes[0].reason.as_str()), ("Uplink wan", "TooManyExempt"));
}

#[test]
fn more_pods_than_slots_are_reported_and_the_others_stand() {
    let mut desired = desired();
    desired.pods = (0..1_100).map(|n| (key(&format!("pod-{n:04}")), pod(100 + n, None))).collect();
    let Rendered { state, notes, .. } = render(&desired, &host(), &Pacing::default(), &KernelState::default(), &NONE);
    assert_eq!(state.pods.len(), 1_023);
    assert_eq!(notes.len(), 1_100 - 1_023);
    assert_eq!(notes[0].reason, "NoRoom");
}

#[test]
fn the_longest_horizon_bounds_a_bucket_of_delays() {
    let longest = u64::from(Pacing::default().horizon_max_ns);
    assert_eq!(delay_bucket(longest) + 1, delay_bucket(longest + 1));
}

#[test]
fn a_pod_that_is_a_port_of_the_uplinks_bridge_is_named() {
    let notes = |on_vlan: bool, is_port: bool, is_limited: bool| {
        let (mut host, mut desired) = (host(), desired());
        let bridge = |name: &str| Link { name: name.into(), kind: Some("bridge".into()), ..Link::default() };
        host.links.insert(9, bridge("br0"));
        let vlan = Link { name: "br0.20".into(), kind: Some("vlan".into()), lower: Some(9), ..Link::default() };
        host.links.insert(10, vlan);
        let uplink = if on_vlan { (10, "br0.20".to_owned()) } else { (9, "br0".to_owned()) };
        desired.uplinks.get_mut("wan").unwrap().interfaces = [uplink].into();
        host.links.get_mut(&7).unwrap().master = is_port.then_some(9);
        if !is_limited {
            desired.pods.get_mut(&key("seed")).unwrap().tiers.clear();
        }
        let rendered = render(&desired, &host, &Pacing::default(), &KernelState::default(), &NONE);
        rendered.notes.iter().map(|note| (note.object.name.clone(), note.reason.clone())).collect::<Vec<_>>()
    };
    let named = [(key("seed").to_string(), reasons::BYPASSES_UPLINK.to_owned())];
    assert_eq!(notes(false, true, true), named);
    assert_eq!(notes(true, true, true), named);
    assert!(notes(false, false, true).is_empty());
    assert!(notes(false, true, false).is_empty());
}

#[test]
fn a_pod_that_nothing_can_tell_from_others_is_named_with_what_is_in_the_way() {
    let messages = |kind: &str, on_master: Option<Blocked>| {
        let mut host = host();
        let master = Link { name: "shared".into(), kind: Some(kind.into()), blocked: on_master, ..Link::default() };
        host.links.insert(20, master);
        let veth = host.links.get_mut(&7).unwrap();
        (veth.master, veth.blocked) = (Some(20), Some(Blocked::IngressQdisc));
        let rendered = render(&desired(), &host, &Pacing::default(), &KernelState::default(), &NONE);
        rendered.notes.into_iter().map(|note| (note.reason, note.message)).collect::<Vec<_>>()
    };
    assert!(messages("bridge", None).is_empty(), "the bridge's hook tells them apart");
    let [(reason, message)] = &messages("bridge", Some(Blocked::IngressQdisc))[..] else { panic!("not one note") };
    assert_eq!(reason, reasons::BRIDGE_TAKEN);
    assert!(message.contains("filters or qdiscs on a and shared"), "{message}");
    let [(reason, message)] = &messages("vrf", None)[..] else { panic!("not one note") };
    assert_eq!(reason, reasons::BRIDGE_TAKEN);
    assert!(message.contains("on a, and its VRF shared, which has no hook"), "{message}");
}
