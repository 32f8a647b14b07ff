//! The uplinks of a node and the interfaces that lead to them.

use std::collections::BTreeMap;

use super::{DesiredUplink, Here, reasons};
use crate::{
    host::Host,
    model::{InterfaceChoice, Labels, ObjectRef, Rejection, Uplink},
};

/// The uplinks that this node has. An interface leads to one uplink only: the first by name that wants it.
pub(super) fn of_node(
    uplinks: &BTreeMap<String, Uplink>,
    here: &Here<'_>,
    notes: &mut Vec<Rejection>,
) -> BTreeMap<String, DesiredUplink> {
    let unlabelled = Labels::new();
    let mut taken: BTreeMap<u32, &str> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (name, uplink) in uplinks {
        let mut add_note = |reason: &str, message: String| notes.push(note(name, uplink, reason, message));
        if here.labels.is_none() && !uplink.nodes.is_everything() {
            let message = format!(
                "there is no Node named \"{}\", so its nodeSelector ({}) sees no label",
                here.node, uplink.nodes
            );
            add_note(reasons::NODE_UNKNOWN, message);
        }
        if !uplink.nodes.matches(here.labels.unwrap_or(&unlabelled)) {
            continue;
        }
        let wanted = interfaces(&uplink.interface, here.host);
        if wanted.is_empty() {
            let message = match &uplink.interface {
                InterfaceChoice::DefaultRoute => {
                    "the node has no default route, so no interface leads to it".to_owned()
                }
                InterfaceChoice::Named(name) => format!("the node has no interface named \"{name}\""),
            };
            add_note(reasons::INTERFACE_MISSING, message);
        }
        let mut interfaces = BTreeMap::new();
        for (ifindex, interface) in wanted {
            match taken.get(&ifindex) {
                Some(owner) => add_note(
                    reasons::INTERFACE_TAKEN,
                    format!("interface {interface} already leads to Uplink {owner}, which comes first by name"),
                ),
                None => drop(interfaces.insert(ifindex, interface)),
            }
        }
        taken.extend(interfaces.keys().map(|ifindex| (*ifindex, name.as_str())));
        let exempt = uplink.exempt.clone();
        found
            .insert(name.clone(), DesiredUplink { capacity: uplink.capacity, rate: uplink.rate(), interfaces, exempt });
    }
    found
}

fn interfaces(choice: &InterfaceChoice, host: &Host) -> BTreeMap<u32, String> {
    let named = |ifindex: &u32| Some((*ifindex, host.links.get(ifindex)?.name.clone()));
    match choice {
        InterfaceChoice::DefaultRoute => host.default_routes.iter().filter_map(named).collect(),
        InterfaceChoice::Named(name) => host
            .links
            .iter()
            .filter(|(_, link)| link.name == *name)
            .map(|(ifindex, _)| ifindex)
            .filter_map(named)
            .collect(),
    }
}

fn note(name: &str, uplink: &Uplink, reason: &str, message: String) -> Rejection {
    Rejection {
        object: ObjectRef { kind: "Uplink".to_owned(), name: name.to_owned() },
        location: uplink.location.clone(),
        reason: reason.to_owned(),
        message,
    }
}
