use super::*;
use crate::desired::{Place, reasons};

fn at(ifindex: u32, name: &str) -> Place {
    Place::Veth { ifindex, name: name.to_owned() }
}

fn place_of(world: &World, host: &Host, name: &str) -> (Place, Vec<(String, String)>) {
    let (found, findings) = desired(world, host, NODE);
    (found.pods[&key(name)].place.clone(), reasons_of(&findings.notes))
}

fn with_pods(pods: &[(&str, Pod)]) -> World {
    World { pods: pods.iter().map(|(name, pod)| (key(name), pod.clone())).collect(), ..world() }
}

#[test]
fn a_pod_is_behind_the_veth_that_leads_to_one_of_its_addresses() {
    let mut host = host();
    host.links.insert(20, veth("veth6", &["fd00::6"]));
    host.links.insert(21, veth("veth46", &["10.1.0.46", "fd00::46"]));
    let table = [
        (vec!["10.1.0.1"], at(11, "veth1")),
        (vec!["10.1.0.3"], at(13, "veth3")),
        (vec!["fd00::6"], at(20, "veth6")),
        (vec!["10.1.0.46", "fd00::46"], at(21, "veth46")),
        (vec!["fd00::46"], at(21, "veth46")),
    ];
    for (list, expected) in table {
        let world = with_pods(&[("a", Pod { addresses: addresses(&list), ..pod("") })]);
        assert_eq!(place_of(&world, &host, "a"), (expected, vec![]), "{list:?}");
    }
}

#[test]
fn a_pod_without_a_veth_is_nowhere_with_a_note() {
    let table = [
        ("10.9.9.9", reasons::NO_INTERFACE),
        ("", reasons::NO_ADDRESS),
        // Every namespace has these; they must never lead to somebody else's veth.
        ("127.0.0.1", reasons::NO_ADDRESS),
        ("::1", reasons::NO_ADDRESS),
        ("fe80::1", reasons::NO_ADDRESS),
    ];
    for (address, reason) in table {
        let world = with_pods(&[("a", pod(address))]);
        assert_eq!(
            place_of(&world, &host(), "a"),
            (Place::Unknown, vec![finding("Pod default/a", reason)]),
            "{address}"
        );
    }
}

#[test]
fn a_host_network_pod_is_known_by_its_cgroup_and_never_by_an_address() {
    let shares = Pod { host_network: true, cgroup_uid: "uid-1".to_owned(), ..pod("10.1.0.1") };
    let world = with_pods(&[("agent", shares.clone()), ("web", pod("10.1.0.1"))]);
    assert_eq!(place_of(&world, &host(), "agent"), (Place::HostNetwork, vec![]));
    assert_eq!(place_of(&world, &host(), "web").0, at(11, "veth1"));
    let found = desired(&world, &host(), NODE).0.pods;
    assert_eq!(found[&key("agent")].cgroup, Some(Cgroup { id: 77, level: 3 }));
    assert!(found[&key("agent")].addresses.is_empty() && !found[&key("web")].addresses.is_empty());

    for uid in ["", "uid-2"] {
        let world = with_pods(&[("agent", Pod { cgroup_uid: uid.to_owned(), ..shares.clone() })]);
        let expected = (Place::Unknown, vec![finding("Pod default/agent", reasons::NO_CGROUP)]);
        assert_eq!(place_of(&world, &host(), "agent"), expected, "{uid}");
    }
    let mut odd = host();
    odd.cgroups.insert(String::new(), Cgroup { id: 1, level: 1 });
    let world = with_pods(&[("agent", Pod { cgroup_uid: String::new(), ..shares })]);
    assert_eq!(place_of(&world, &odd, "agent").0, Place::Unknown);
}

#[test]
fn a_cgroup_of_version_1_alone_is_named() {
    let mut host = host();
    host.legacy_cgroups.insert("uid-2".to_owned());
    let pod = Pod { host_network: true, cgroup_uid: "uid-2".to_owned(), ..pod("10.1.0.1") };
    let (_, findings) = desired(&with_pods(&[("agent", pod)]), &host, NODE);
    assert!(findings.notes[0].message.contains("version 1 hierarchy alone"), "{}", findings.notes[0]);
}

#[test]
fn a_pod_without_an_interface_on_the_node_is_known_by_its_sockets() {
    let macvlan = Pod { cgroup_uid: "uid-1".to_owned(), ..pod("192.168.9.9") };
    let world = with_pods(&[("macvlan", macvlan)]);
    let noted = vec![finding("Pod default/macvlan", reasons::BY_SOCKETS)];
    assert_eq!(place_of(&world, &host(), "macvlan"), (Place::Sockets, noted));
}

#[test]
fn a_pod_behind_a_netkit_device_is_told_that_its_sockets_may_be_all_there_is() {
    let mut host = host();
    host.links.insert(11, Link { kind: Some("netkit".to_owned()), ..veth("lxc1", &["10.1.0.1"]) });
    let (place, findings) = place_of(&with_pods(&[("seed", pod("10.1.0.1"))]), &host, "seed");
    assert_eq!(place, Place::Veth { ifindex: 11, name: "lxc1".to_owned() });
    assert_eq!(findings, [finding("Pod default/seed", reasons::BY_SOCKETS)]);
}

#[test]
fn every_veth_into_the_network_namespace_of_a_pod_is_its_own() {
    let mut host = host();
    let inside = |namespace: i32, addresses: &[&str]| Link { namespace: Some(namespace), ..veth("net1", addresses) };
    host.links.insert(11, inside(4, &["10.1.0.1"]));
    host.links.insert(12, inside(5, &["10.1.0.2"]));
    host.links.insert(20, inside(4, &["192.168.9.1"]));
    // Nobody has an address there yet, and nobody lives there.
    host.links.insert(21, inside(5, &[]));
    host.links.insert(22, inside(6, &["10.1.9.9"]));
    let world = with_pods(&[("a", pod("10.1.0.1")), ("b", pod("10.1.0.2"))]);
    let (found, findings) = desired(&world, &host, NODE);
    let interfaces = |name: &str| found.pods[&key(name)].interfaces().collect::<Vec<_>>();
    assert_eq!((interfaces("a"), interfaces("b")), (vec![11, 20], vec![12, 21]));
    assert_eq!(findings.notes, []);
}

#[test]
fn of_two_pods_with_one_address_the_one_that_was_started_last_has_the_veth() {
    let started = |second| Pod { started: Some(second), ..pod("10.1.0.1") };
    let world = with_pods(&[("a", started(100)), ("b", started(200)), ("c", pod("10.1.0.1"))]);
    assert_eq!(place_of(&world, &host(), "b").0, at(11, "veth1"));
    for other in ["a", "c"] {
        assert_eq!(place_of(&world, &host(), other).0, Place::Unknown, "{other}");
    }
}

#[test]
fn a_pod_that_has_ended_gives_its_address_to_the_next() {
    let world = with_pods(&[("a-old", Pod { ended: true, ..pod("10.1.0.1") }), ("b-new", pod("10.1.0.1"))]);
    assert_eq!(place_of(&world, &host(), "b-new"), (at(11, "veth1"), vec![]));
}

#[test]
fn of_two_pods_with_one_address_the_one_that_fits_better_has_the_veth_then_the_first() {
    let world = with_pods(&[("a", pod("10.1.0.1")), ("b", pod("10.1.0.1"))]);
    let taken = vec![finding("Pod default/b", reasons::ADDRESS_TAKEN)];
    assert_eq!(place_of(&world, &host(), "a"), (at(11, "veth1"), taken.clone()));
    assert_eq!(place_of(&world, &host(), "b").0, Place::Unknown);
    let (_, findings) = run(&world);
    assert!(findings.notes[0].message.contains("Pod default/a has its address 10.1.0.1 too"), "{}", findings.notes[0]);

    let mut host = host();
    host.links.insert(11, veth("veth1", &["10.1.0.1", "fd00::1"]));
    let both = Pod { addresses: addresses(&["10.1.0.1", "fd00::1"]), ..pod("") };
    let world = with_pods(&[("a", pod("10.1.0.1")), ("b", both)]);
    assert_eq!(place_of(&world, &host, "b").0, at(11, "veth1"));
    assert_eq!(place_of(&world, &host, "a").0, Place::Unknown);
}

#[test]
fn of_two_veths_with_one_address_the_newer_is_taken() {
    let mut host = host();
    host.links.insert(30, veth("veth1-new", &["10.1.0.1"]));
    let world = with_pods(&[("a", pod("10.1.0.1"))]);
    let noted = vec![finding("Pod default/a", reasons::SEVERAL_INTERFACES)];
    assert_eq!(place_of(&world, &host, "a"), (at(30, "veth1-new"), noted));

    // Both lead into one network namespace: both are the pod's.
    for link in [11, 30] {
        host.links.get_mut(&link).expect("a link").namespace = Some(4);
    }
    let (found, findings) = desired(&world, &host, NODE);
    assert_eq!(found.pods[&key("a")].interfaces().collect::<Vec<_>>(), [30, 11]);
    assert_eq!(findings.notes, []);

    // Two pods, two veths, one address: each gets one, and neither is lost.
    let world = with_pods(&[("a", pod("10.1.0.1")), ("b", pod("10.1.0.1"))]);
    assert_eq!(place_of(&world, &host, "a").0, at(30, "veth1-new"));
    assert_eq!(place_of(&world, &host, "b").0, at(11, "veth1"));
    assert!(desired(&world, &host, NODE).0.pods[&key("a")].further.is_empty());
}
