//! The uplinks of a node and the interfaces that lead to them.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{DesiredUplink, Here, reasons};
use crate::{
    host::Host,
    model::{InterfaceChoice, Labels, ObjectRef, Rejection, Uplink},
};

/// On-link prefixes that are shorter are no LAN but a way to route: 0.0.0.0/1 of a VPN, for one.
const SHORTEST_ON_LINK_V4: u8 = 8;
const SHORTEST_ON_LINK_V6: u8 = 32;

/// The uplinks that this node has. `pods` are the interfaces of pods, which lead to no uplink.
///
/// An interface leads to one uplink only: one that names it comes before one that takes whatever the default route has,
/// and then the first by name counts.
pub(super) fn of_node(
    uplinks: &BTreeMap<String, Uplink>,
    here: &Here<'_>,
    pods: &BTreeSet<u32>,
    notes: &mut Vec<Rejection>,
) -> BTreeMap<String, DesiredUplink> {
    let mut taken: BTreeMap<u32, &str> = BTreeMap::new();
    let mut found = BTreeMap::new();
    let is_named = |uplink: &Uplink| matches!(uplink.interface, InterfaceChoice::Named(_));
    let named = uplinks.iter().filter(|(_, uplink)| is_named(uplink));
    for (name, uplink) in named.chain(uplinks.iter().filter(|(_, uplink)| !is_named(uplink))) {
        let mut add_note = |reason: &str, message: String| notes.push(note(name, uplink, reason, message));
        if !is_here(uplink, here, &mut add_note) {
            continue;
        }
        let wanted = interfaces(&uplink.interface, here, pods, &mut add_note);
        let mut interfaces = BTreeMap::new();
        for (ifindex, interface) in wanted {
            // A bridge and its ports carry the same packets.
            let path = [Some(ifindex), here.host.bridge(ifindex)];
            let owner = path.into_iter().flatten().find_map(|ifindex| taken.get(&ifindex));
            match owner {
                Some(owner) => add_note(
                    reasons::INTERFACE_TAKEN,
                    format!("interface {interface} already leads to Uplink {owner}, which comes first"),
                ),
                None => drop(interfaces.insert(ifindex, interface)),
            }
        }
        for &ifindex in interfaces.keys() {
            taken.insert(ifindex, name);
            taken.extend(here.host.bridge(ifindex).map(|bridge| (bridge, name.as_str())));
        }
        let exempt = exempt(uplink, interfaces.keys().copied(), here.host);
        let (capacity, rate, overhead) = (uplink.capacity, uplink.rate(), uplink.overhead);
        found.insert(name.clone(), DesiredUplink { capacity, rate, overhead, interfaces, exempt });
    }
    let untaken =
        here.host.default_routes.iter().filter(|ifindex| !taken.contains_key(ifindex) && !pods.contains(ifindex));
    let elsewhere: BTreeSet<&str> =
        untaken.filter_map(|ifindex| here.host.links.get(ifindex)).map(|link| link.name.as_str()).collect();
    if !elsewhere.is_empty() {
        let message = format!(
            "public addresses are reached by {}, which leads to no uplink: what pods send there is not shaped. If it is a \
             backup line, write an Uplink for it",
            Vec::from_iter(elsewhere).join(", ")
        );
        let leads = |name: &String| found.get(name).is_some_and(|uplink| !uplink.interfaces.is_empty());
        let named = uplinks.iter().filter(|(name, uplink)| is_named(uplink) && leads(name));
        notes.extend(named.map(|(name, uplink)| note(name, uplink, reasons::ROUTE_ELSEWHERE, message.clone())));
    }
    found
}

/// Returns whether the node has the uplink.
fn is_here(uplink: &Uplink, here: &Here<'_>, add_note: &mut impl FnMut(&str, String)) -> bool {
    if here.labels.is_none() && !uplink.nodes.is_everything() {
        let message =
            format!("there is no Node named \"{}\", so its nodeSelector ({}) sees no label", here.node, uplink.nodes);
        add_note(reasons::NODE_UNKNOWN, message);
    }
    uplink.nodes.matches(here.labels.unwrap_or(&Labels::new()))
}

fn interfaces(
    choice: &InterfaceChoice,
    here: &Here<'_>,
    pods: &BTreeSet<u32>,
    add_note: &mut impl FnMut(&str, String),
) -> BTreeMap<u32, String> {
    let host = here.host;
    let chosen: Vec<u32> = match choice {
        InterfaceChoice::DefaultRoute => host.default_routes.clone(),
        InterfaceChoice::Named(name) => {
            host.links.iter().filter(|(_, link)| link.name == *name).map(|(&ifindex, _)| ifindex).collect()
        }
    };
    let ways = |ifindex: u32| match host.wires(ifindex) {
        none if none.is_empty() => vec![ifindex],
        wires => wires,
    };
    let found = chosen.into_iter().flat_map(ways);
    let found = found.filter_map(|ifindex| Some((ifindex, host.links.get(&ifindex)?.name.clone())));
    let (of_pods, others): (BTreeMap<_, _>, BTreeMap<_, _>) = found.partition(|(ifindex, _)| pods.contains(ifindex));
    if let Some(interface) = of_pods.values().next() {
        add_note(reasons::INTERFACE_OF_POD, format!("interface {interface} is a pod's own and leads to no uplink"));
    } else if others.is_empty() {
        let message = match choice {
            InterfaceChoice::DefaultRoute => "the node has no default route, so no interface leads to it".to_owned(),
            InterfaceChoice::Named(name) => format!("the node has no interface named \"{name}\""),
        };
        add_note(reasons::INTERFACE_MISSING, message);
    }
    others
}

/// What the object says, and the LANs of the uplink's interfaces.
fn exempt(uplink: &Uplink, interfaces: impl Iterator<Item = u32>, host: &Host) -> Vec<IpNet> {
    let mut exempt = uplink.exempt.clone();
    if !uplink.exempt_on_link {
        return exempt;
    }
    // A port's addresses are those of its bridge.
    let links = interfaces.flat_map(|ifindex| [Some(ifindex), host.bridge(ifindex)]).flatten();
    for link in links.filter_map(|ifindex| host.links.get(&ifindex)).filter(|link| link.ethernet) {
        for network in link.on_link.iter().map(IpNet::trunc) {
            let shortest = if network.addr().is_ipv4() { SHORTEST_ON_LINK_V4 } else { SHORTEST_ON_LINK_V6 };
            if network.prefix_len() >= shortest && !exempt.iter().any(|known| known.contains(&network)) {
                exempt.push(network);
            }
        }
    }
    exempt
}

fn note(name: &str, uplink: &Uplink, reason: &str, message: String) -> Rejection {
    Rejection { object: ObjectRef::uplink(name), location: uplink.location.clone(), reason: reason.to_owned(), message }
}
