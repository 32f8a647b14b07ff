//! Small worlds and hosts for the tests of this module, and what holds for all of them.

mod admission;
mod places;
mod pod_limits;
mod properties;
mod uplinks_and_tiers;

use std::{collections::BTreeSet, net::IpAddr};

use super::{Desired, Findings, desired};
use crate::{
    host::{Cgroup, Host, Link},
    model::{
        InterfaceChoice, Labels, Location, Operator, Pod, PodKey, Rate, Requirement, Selector, Tier, Uplink, World,
        rate,
    },
};

const NODE: &str = "here";

fn mbit(text: &str) -> Rate {
    rate::parse(text).unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn at_line(line: u32) -> Location {
    Location { file: "objects.yaml".to_owned(), line }
}

fn uplink(capacity: &str) -> Uplink {
    Uplink {
        capacity: mbit(capacity),
        headroom: 300,
        interface: InterfaceChoice::DefaultRoute,
        nodes: Selector::default(),
        exempt: vec!["10.0.0.0/8".parse().unwrap()],
        exempt_on_link: true,
        overhead: None,
        generation: 0,
        location: Some(at_line(1)),
    }
}

fn tier(name: &str, uplink: &str) -> Tier {
    Tier {
        uplink: uplink.to_owned(),
        pods: Selector::label("traffic-tier", name),
        namespaces: Selector::default(),
        guarantee: 0,
        ceiling: None,
        pod_ceiling: None,
        dscp: None,
        generation: 0,
        location: Some(at_line(10)),
    }
}

fn guaranteed(name: &str, guarantee: &str) -> Tier {
    Tier { guarantee: mbit(guarantee), ..tier(name, "wan") }
}

fn key(name: &str) -> PodKey {
    PodKey { namespace: "default".to_owned(), name: name.to_owned() }
}

fn pod(address: &str) -> Pod {
    Pod {
        uid: String::new(),
        node: NODE.to_owned(),
        labels: Labels::new(),
        addresses: addresses(&[address]),
        host_network: false,
        cgroup_uid: String::new(),
        started: None,
        ended: false,
        egress_bandwidth: None,
        workload: "Deployment/web".to_owned(),
        location: Some(at_line(20)),
    }
}

fn addresses(list: &[&str]) -> BTreeSet<IpAddr> {
    list.iter().filter(|address| !address.is_empty()).map(|address| address.parse().unwrap()).collect()
}

/// A world with one uplink `wan` of 100 Mbit/s (97 Mbit/s less headroom).
fn world() -> World {
    World { uplinks: [("wan".to_owned(), uplink("100M"))].into(), ..World::default() }
}

fn ethernet(name: &str) -> Link {
    Link { name: name.to_owned(), ethernet: true, up: true, tx_queues: 1, ..Link::default() }
}

fn veth(name: &str, inside: &[&str]) -> Link {
    let mut inside = addresses(inside);
    inside.extend(addresses(&["127.0.0.1", "::1", "fe80::1"]));
    Link { kind: Some("veth".to_owned()), inside, ..ethernet(name) }
}

/// A host with `eth0` (2, default route), `eth1` (3) and veths for 10.1.0.1 to 10.1.0.3 (11 to 13).
fn host() -> Host {
    let mut host = Host { default_routes: vec![2], ..Host::default() };
    host.links.insert(2, ethernet("eth0"));
    host.links.insert(3, ethernet("eth1"));
    for number in 1..=3 {
        host.links.insert(10 + number, veth(&format!("veth{number}"), &[&format!("10.1.0.{number}")]));
    }
    host.cgroups.insert("uid-1".to_owned(), Cgroup { id: 77, level: 3 });
    host
}

fn run(world: &World) -> (Desired, Findings) {
    desired(world, &host(), NODE)
}

fn reasons_of(list: &[crate::model::Rejection]) -> Vec<(String, String)> {
    list.iter().map(|finding| (finding.object.to_string(), finding.reason.clone())).collect()
}

fn finding(object: &str, reason: &str) -> (String, String) {
    (object.to_owned(), reason.to_owned())
}
