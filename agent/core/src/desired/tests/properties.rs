//! What holds for every world and every host.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::desired::{Place, admit};

fn any_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![Just(0), Just(999), 1_000u64..200_000_000, Just(u64::MAX), any::<u64>()]
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let operator = prop_oneof![
        proptest::collection::btree_set("[x-z]", 0..3).prop_map(Operator::In),
        proptest::collection::btree_set("[x-z]", 0..3).prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ];
    let requirement = ("[a-b]", operator).prop_map(|(key, operator)| Requirement { key, operator });
    vec(requirement, 0..2).prop_map(|requirements| Selector { requirements })
}

fn any_labels() -> impl Strategy<Value = Labels> {
    proptest::collection::btree_map("[a-b]", "[x-z]", 0..3)
}

fn any_uplink() -> impl Strategy<Value = Uplink> {
    let interface = prop_oneof![Just(InterfaceChoice::DefaultRoute), "eth[0-2]".prop_map(InterfaceChoice::Named),];
    (any_rate(), 0u32..12_000, interface, any_selector()).prop_map(|(capacity, headroom, interface, nodes)| Uplink {
        capacity,
        headroom,
        interface,
        nodes,
        ..uplink("100M")
    })
}

fn any_tier() -> impl Strategy<Value = Tier> {
    let limits = (any_rate(), option::of(any_rate()), option::of(any_rate()), option::of(any::<u8>()));
    ("[u-w]", any_selector(), any_selector(), limits).prop_map(
        |(uplink, pods, namespaces, (guarantee, ceiling, pod_ceiling, dscp))| Tier {
            uplink,
            pods,
            namespaces,
            guarantee,
            ceiling,
            pod_ceiling,
            dscp,
            generation: 0,
            location: None,
        },
    )
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let table = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "fd00::1", "127.0.0.1", "fe80::1", "10.9.9.9"];
    proptest::sample::select(table.to_vec()).prop_map(|address| address.parse().unwrap())
}

fn any_pod() -> impl Strategy<Value = Pod> {
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), option::of(any_rate()));
    let node = prop_oneof![3 => Just(NODE.to_owned()), 1 => Just("there".to_owned()), 1 => Just(String::new())];
    ("(uid-[1-2])?", node, any_labels(), proptest::collection::btree_set(any_address(), 0..3), flags).prop_map(
        |(uid, node, labels, addresses, (host_network, ended, egress_bandwidth))| Pod {
            cgroup_uid: uid.clone(),
            uid,
            node,
            labels,
            addresses,
            host_network,
            ended,
            egress_bandwidth,
            ..pod("")
        },
    )
}

prop_compose! {
    fn any_world()(
        uplinks in vec(("[u-w]", any_uplink()), 0..3),
        tiers in vec(("[a-f]", any_tier()), 0..6),
        pods in vec(("[a-h]", any_pod()), 0..8),
        namespaces in vec((Just("default".to_owned()), any_labels()), 0..2),
        nodes in vec((Just(NODE.to_owned()), any_labels()), 0..2),
    ) -> World {
        World {
            uplinks: uplinks.into_iter().collect(),
            tiers: tiers.into_iter().collect(),
            pods: pods.into_iter().map(|(name, pod)| (key(&name), pod)).collect(),
            namespaces: namespaces.into_iter().collect(),
            nodes: nodes.into_iter().collect(),
        }
    }
}

fn any_host() -> impl Strategy<Value = Host> {
    let links = vec(proptest::collection::btree_set(any_address(), 0..3), 0..5);
    (links, vec(2u32..6, 0..3)).prop_map(|(links, default_routes)| {
        let mut host = Host { default_routes, ..host() };
        host.links.retain(|ifindex, _| *ifindex < 10);
        for (number, inside) in (20..).zip(links) {
            host.links.insert(number, Link { inside, ..ethernet(&format!("veth{number}")) });
        }
        host
    })
}

/// The same, with every list that stands for a set in the opposite order.
fn turned(mut world: World, mut host: Host) -> (World, Host) {
    for tier in world.tiers.values_mut() {
        tier.pods.requirements.reverse();
        tier.namespaces.requirements.reverse();
    }
    host.default_routes.reverse();
    (world, host)
}

proptest! {
    #[test]
    fn the_order_of_lists_does_not_matter(world in any_world(), host in any_host()) {
        let (turned_world, turned_host) = turned(world.clone(), host.clone());
        prop_assert_eq!(desired(&world, &host, NODE), desired(&turned_world, &turned_host, NODE));
    }

    #[test]
    fn guarantees_never_exceed_the_rate_and_ceilings_never_undercut_them(world in any_world(), host in any_host()) {
        let (found, _) = desired(&world, &host, NODE);
        for (name, uplink) in &found.uplinks {
            let tiers = found.tiers.values().filter(|tier| tier.uplink == *name);
            let promised: u128 = tiers.map(|tier| u128::from(tier.guarantee)).sum();
            prop_assert!(promised <= u128::from(uplink.rate));
            prop_assert!(uplink.rate <= uplink.capacity && uplink.rate >= 1_000);
        }
        for tier in found.tiers.values() {
            prop_assert!(tier.guarantee <= tier.ceiling && tier.ceiling <= found.uplinks[&tier.uplink].rate);
        }
    }

    #[test]
    fn every_local_pod_has_one_entry_and_every_veth_one_pod(world in any_world(), host in any_host()) {
        let (found, findings) = desired(&world, &host, NODE);
        let local = world.pods.iter().filter(|(_, pod)| pod.node == NODE && !pod.ended).map(|(key, _)| key);
        prop_assert_eq!(found.pods.keys().collect::<Vec<_>>(), local.collect::<Vec<_>>());
        let mut seen = BTreeSet::new();
        for (key, pod) in &found.pods {
            match &pod.place {
                Place::Veth { ifindex, .. } => {
                    prop_assert!(seen.insert(*ifindex), "two pods on one veth");
                    let inside = &host.links[ifindex].inside;
                    prop_assert!(!world.pods[key].host_network && !inside.is_disjoint(&world.pods[key].addresses));
                }
                Place::HostNetwork => prop_assert!(world.pods[key].host_network && pod.cgroup.is_some()),
                Place::Sockets => prop_assert!(!world.pods[key].host_network && pod.cgroup.is_some()),
                Place::Unknown => {
                    let name = key.to_string();
                    prop_assert!(findings.notes.iter().any(|note| note.object.name == name), "no note on {}", name);
                }
            }
            for (uplink, tier) in &pod.tiers {
                prop_assert_eq!(found.tiers.get(tier).map(|tier| &tier.uplink), Some(uplink));
            }
        }
    }

    #[test]
    fn an_interface_leads_to_one_uplink(world in any_world(), host in any_host()) {
        let (found, _) = desired(&world, &host, NODE);
        let mut seen = BTreeSet::new();
        for ifindex in found.uplinks.values().flat_map(|uplink| uplink.interfaces.keys()) {
            prop_assert!(seen.insert(*ifindex));
        }
    }

    #[test]
    fn what_was_admitted_is_possible_and_stays(before in any_world(), after in any_world()) {
        let (before, _) = admit(before, &World::default());
        let (admitted, rejections) = admit(after.clone(), &before);
        prop_assert_eq!(admit(admitted.clone(), &World::default()), (admitted.clone(), vec![]));
        prop_assert_eq!(&admitted.pods, &after.pods);
        for (name, tier) in &admitted.tiers {
            prop_assert!(after.tiers.contains_key(name));
            prop_assert!(after.tiers.get(name) == Some(tier) || before.tiers.get(name) == Some(tier));
        }
        let differs = admitted != after;
        prop_assert_eq!(differs, !rejections.is_empty());
        prop_assert_eq!(admit(after, &admitted).0, admitted);
    }
}
