use super::*;
use crate::desired::{DesiredTier, reasons};

#[test]
fn an_uplink_gets_its_rate_and_the_interfaces_of_the_default_routes() {
    let mut host = host();
    host.default_routes = vec![2, 3, 99];
    let (found, findings) = desired(&world(), &host, NODE);
    let wan = &found.uplinks["wan"];
    assert_eq!((wan.capacity, wan.rate), (100_000_000, 97_000_000));
    assert_eq!(wan.interfaces, [(2, "eth0".to_owned()), (3, "eth1".to_owned())].into());
    assert_eq!(wan.exempt, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(findings, Findings::default());
}

#[test]
fn a_named_interface_is_found_or_missed() {
    let mut world = world();
    let named = |name: &str| Uplink { interface: InterfaceChoice::Named(name.to_owned()), ..uplink("100M") };
    world.uplinks.insert("wan".to_owned(), named("eth1"));
    assert_eq!(run(&world).0.uplinks["wan"].interfaces, [(3, "eth1".to_owned())].into());

    world.uplinks.insert("wan".to_owned(), named("ppp0"));
    let (found, findings) = run(&world);
    assert!(found.uplinks["wan"].interfaces.is_empty());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::INTERFACE_MISSING)]);
    assert!(findings.notes[0].message.contains("\"ppp0\""), "{}", findings.notes[0]);
    assert_eq!(findings.notes[0].location, Some(at_line(1)));

    let (_, findings) = desired(&super::world(), &Host { default_routes: vec![], ..host() }, NODE);
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::INTERFACE_MISSING)]);
}

#[test]
fn the_first_uplink_by_name_has_the_interface() {
    let mut world = world();
    world.uplinks.insert("Backup".to_owned(), uplink("10M"));
    let (found, findings) = run(&world);
    assert_eq!(found.uplinks["Backup"].interfaces, [(2, "eth0".to_owned())].into());
    assert!(found.uplinks["wan"].interfaces.is_empty());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::INTERFACE_TAKEN)]);
    assert!(findings.notes[0].message.contains("eth0 already leads to Uplink Backup"), "{}", findings.notes[0]);
}

#[test]
fn an_uplink_that_names_its_interface_comes_before_one_that_takes_the_default_routes() {
    let mut world = world();
    let named = Uplink { interface: InterfaceChoice::Named("eth0".to_owned()), ..uplink("10M") };
    world.uplinks.insert("zz-named".to_owned(), named);
    let mut host = host();
    host.default_routes = vec![2, 3];
    let (found, findings) = desired(&world, &host, NODE);
    assert_eq!(found.uplinks["zz-named"].interfaces, [(2, "eth0".to_owned())].into());
    assert_eq!(found.uplinks["wan"].interfaces, [(3, "eth1".to_owned())].into());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::INTERFACE_TAKEN)]);
}

#[test]
fn a_named_uplink_says_so_when_the_internet_is_reached_by_another_interface() {
    let mut world = world();
    world.uplinks.get_mut("wan").unwrap().interface = InterfaceChoice::Named("eth0".to_owned());
    let mut host = host();
    assert!(desired(&world, &host, NODE).1.notes.is_empty());
    host.default_routes = vec![3];
    let (found, findings) = desired(&world, &host, NODE);
    assert_eq!(found.uplinks["wan"].interfaces, [(2, "eth0".to_owned())].into());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::ROUTE_ELSEWHERE)]);
    // With an uplink of its own there is nothing to say.
    let backup = Uplink { interface: InterfaceChoice::Named("eth1".to_owned()), ..uplink("1M") };
    world.uplinks.insert("backup".to_owned(), backup);
    assert!(desired(&world, &host, NODE).1.notes.is_empty());
}

#[test]
fn a_bridge_and_its_port_lead_to_one_uplink() {
    let mut world = world();
    let named = Uplink { interface: InterfaceChoice::Named("eth1".to_owned()), ..uplink("10M") };
    world.uplinks.insert("lte".to_owned(), named);
    let mut host = host();
    host.links.insert(9, Link { kind: Some("bridge".to_owned()), ..ethernet("br0") });
    host.links.get_mut(&3).unwrap().master = Some(9);
    host.default_routes = vec![9];
    let (found, findings) = desired(&world, &host, NODE);
    assert_eq!(found.uplinks["lte"].interfaces, [(3, "eth1".to_owned())].into());
    assert!(found.uplinks["wan"].interfaces.is_empty());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::INTERFACE_TAKEN)]);
}

#[test]
fn the_wires_of_a_bridge_lead_to_the_uplink() {
    let mut host = host();
    host.links.insert(9, Link { kind: Some("bridge".to_owned()), ..ethernet("br0") });
    for port in [3, 11] {
        host.links.get_mut(&port).unwrap().master = Some(9);
    }
    host.default_routes = vec![9];
    let interfaces = |host: &Host| desired(&world(), host, NODE).0.uplinks["wan"].interfaces.clone();
    assert_eq!(interfaces(&host), [(3, "eth1".to_owned())].into());
    let mut named = world();
    named.uplinks.get_mut("wan").unwrap().interface = InterfaceChoice::Named("br0".to_owned());
    assert_eq!(desired(&named, &host, NODE).0.uplinks["wan"].interfaces, [(3, "eth1".to_owned())].into());

    // A node that is itself a container, with a pod that has an address and one that has none yet.
    host.links.insert(10, Link { master: Some(9), ..veth("eth2", &[]) });
    host.links.get_mut(&10).unwrap().inside.clear();
    host.links.insert(14, Link { master: Some(9), ..veth("veth4", &[]) });
    host.links.get_mut(&14).unwrap().inside.clear();
    assert_eq!(interfaces(&host), [(3, "eth1".to_owned())].into(), "hardware comes first");
    host.links.get_mut(&3).unwrap().master = None;
    assert_eq!(interfaces(&host), [(10, "eth2".to_owned())].into());

    // A virtual machine may be the router.
    host.links.get_mut(&3).unwrap().master = Some(9);
    host.links.insert(20, Link { kind: Some("tun".to_owned()), master: Some(9), ..ethernet("vnet0") });
    assert_eq!(interfaces(&host), [(9, "br0".to_owned())].into());
}

#[test]
fn a_pods_own_interface_leads_to_no_uplink() {
    let mut world = world();
    world.pods.insert(key("a"), pod("10.1.0.1"));
    let mut host = host();
    host.default_routes = vec![11];
    let (found, findings) = desired(&world, &host, NODE);
    assert!(found.uplinks["wan"].interfaces.is_empty());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::INTERFACE_OF_POD)]);
}

#[test]
fn the_lan_of_an_uplinks_interface_is_exempt_unless_it_is_no_lan() {
    let networks = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect::<Vec<ipnet::IpNet>>();
    let mut host = host();
    let on_link = ["198.51.100.7/24", "2001:db8:1::/64", "10.3.0.0/16", "0.0.0.0/1", "2000::/3"];
    host.links.get_mut(&2).unwrap().on_link = networks(&on_link).into_iter().collect();
    let (found, _) = desired(&world(), &host, NODE);
    assert_eq!(found.uplinks["wan"].exempt, networks(&["10.0.0.0/8", "198.51.100.0/24", "2001:db8:1::/64"]));

    let mut router = world();
    router.uplinks.get_mut("wan").unwrap().exempt_on_link = false;
    assert_eq!(desired(&router, &host, NODE).0.uplinks["wan"].exempt, networks(&["10.0.0.0/8"]));

    // A tunnel or a modem has no LAN behind it.
    host.links.get_mut(&2).unwrap().ethernet = false;
    assert_eq!(desired(&world(), &host, NODE).0.uplinks["wan"].exempt, networks(&["10.0.0.0/8"]));
}

#[test]
fn a_ports_lan_is_its_bridges() {
    let mut host = host();
    let bridge = Link {
        kind: Some("bridge".to_owned()),
        on_link: ["198.51.100.0/24".parse().unwrap()].into(),
        ..ethernet("br0")
    };
    host.links.insert(9, bridge);
    host.links.get_mut(&3).unwrap().master = Some(9);
    let mut world = world();
    world.uplinks.get_mut("wan").unwrap().interface = InterfaceChoice::Named("eth1".to_owned());
    let (found, _) = desired(&world, &host, NODE);
    assert!(found.uplinks["wan"].exempt.contains(&"198.51.100.0/24".parse().unwrap()));
}

#[test]
fn a_node_selector_decides_who_has_the_uplink_and_its_tiers() {
    let mut world = world();
    world.uplinks.insert("wan".to_owned(), Uplink { nodes: Selector::label("site", "home"), ..uplink("100M") });
    world.tiers.insert("bulk".to_owned(), tier("bulk", "wan"));
    world.pods.insert(key("a"), Pod { labels: labels(&[("traffic-tier", "bulk")]), ..pod("10.1.0.1") });
    world.nodes.insert(NODE.to_owned(), labels(&[("site", "home")]));
    let (found, findings) = run(&world);
    assert!(found.uplinks.contains_key("wan") && found.tiers.contains_key("bulk"));
    assert_eq!(found.pods[&key("a")].tier_names(), "bulk");
    assert_eq!(findings, Findings::default());

    world.nodes.insert(NODE.to_owned(), labels(&[("site", "office")]));
    let (found, findings) = run(&world);
    assert!(found.uplinks.is_empty() && found.tiers.is_empty());
    assert_eq!(found.pods[&key("a")].tier_names(), "");
    assert_eq!(findings, Findings::default());

    world.nodes.clear();
    let (found, findings) = run(&world);
    assert!(found.uplinks.is_empty());
    assert_eq!(reasons_of(&findings.notes), [finding("Uplink wan", reasons::NODE_UNKNOWN)]);
}

#[test]
fn a_tier_gets_its_limits_and_the_uplinks_rate_where_it_has_none() {
    let mut world = world();
    world.tiers.insert("plain".to_owned(), tier("plain", "wan"));
    world.tiers.insert(
        "full".to_owned(),
        Tier {
            guarantee: mbit("10M"),
            ceiling: Some(mbit("80M")),
            pod_ceiling: Some(mbit("40M")),
            dscp: Some(1),
            ..tier("full", "wan")
        },
    );
    let (found, findings) = run(&world);
    assert_eq!(findings, Findings::default());
    let of_object = |name: &str| {
        let Tier { uplink, pods, namespaces, location, .. } = tier(name, "wan");
        DesiredTier { uplink, pods, namespaces, location, ..DesiredTier::default() }
    };
    let plain = DesiredTier { ceiling: 97_000_000, ..of_object("plain") };
    assert_eq!(found.tiers["plain"], plain);
    let full = DesiredTier {
        guarantee: 10_000_000,
        ceiling: 80_000_000,
        pod_ceiling: Some(40_000_000),
        dscp: Some(1),
        ..of_object("full")
    };
    assert_eq!(found.tiers["full"], full);
}

#[test]
fn a_ceiling_over_the_capacity_is_clamped_with_a_note() {
    // (ceiling, what is in force, whether it is worth a note)
    for (ceiling, in_force, noted) in
        [("97M", 97_000_000, false), ("100M", 97_000_000, false), ("101M", 97_000_000, true)]
    {
        let mut world = world();
        world.tiers.insert("bulk".to_owned(), Tier { ceiling: Some(mbit(ceiling)), ..tier("bulk", "wan") });
        let (found, findings) = run(&world);
        assert_eq!(found.tiers["bulk"].ceiling, in_force);
        assert!(findings.rejections.is_empty());
        let expected: &[_] = if noted { &[finding("TrafficTier bulk", reasons::CEILING_OVER_CAPACITY)] } else { &[] };
        assert_eq!(reasons_of(&findings.notes), expected, "{ceiling}");
    }
}
