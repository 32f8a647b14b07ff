//! The tiers of a node, with the limits that its uplinks set.

use std::collections::BTreeMap;

use super::{DesiredTier, DesiredUplink, admit::Possible, reasons};
use crate::model::{ObjectRef, Rejection, rate};

/// The tiers whose uplink this node has. A ceiling is at most the uplink's rate.
pub(super) fn of_node(
    possible: &Possible,
    uplinks: &BTreeMap<String, DesiredUplink>,
    notes: &mut Vec<Rejection>,
) -> BTreeMap<String, DesiredTier> {
    let mut found = BTreeMap::new();
    for (name, tier) in &possible.tiers {
        let Some(uplink) = uplinks.get(&tier.uplink) else { continue };
        if let Some(ceiling) = tier.ceiling.filter(|ceiling| *ceiling > uplink.capacity) {
            notes.push(Rejection {
                object: ObjectRef { kind: "TrafficTier".to_owned(), name: name.clone() },
                location: tier.location.clone(),
                reason: reasons::CEILING_OVER_CAPACITY.to_owned(),
                message: format!(
                    "its ceiling {} is over the capacity of Uplink {}; {} (capacity {} less headroom) is in force",
                    rate::format(ceiling),
                    tier.uplink,
                    rate::format(uplink.rate),
                    rate::format(uplink.capacity),
                ),
            });
        }
        found.insert(
            name.clone(),
            DesiredTier {
                uplink: tier.uplink.clone(),
                pods: tier.pods.clone(),
                namespaces: tier.namespaces.clone(),
                location: tier.location.clone(),
                guarantee: tier.guarantee,
                ceiling: tier.ceiling.unwrap_or(uplink.rate).min(uplink.rate),
                pod_ceiling: tier.pod_ceiling,
                dscp: tier.dscp,
            },
        );
    }
    found
}
