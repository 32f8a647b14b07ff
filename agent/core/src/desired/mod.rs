//! What this node should have, by names: the objects met with the host's facts.

mod admit;
mod limits;
mod place;
mod pods;
pub mod reasons;
#[cfg(test)]
mod tests;
mod tiers;
mod uplinks;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use crate::{
    host::{Cgroup, Host},
    model::{Labels, Location, Overhead, PodKey, Rate, Rejection, Selector, World},
};

pub use admit::admit;

/// What the node named `node` should have, given the objects and its own interfaces, and what of the objects is not in
/// force there.
///
/// The result depends on the arguments alone, and any world has one: what is impossible is left out and reported.
#[must_use]
pub fn desired(world: &World, host: &Host, node: &str) -> (Desired, Findings) {
    let mut notes = Vec::new();
    let (possible, rejections) = admit::possible(world);
    let here = Here { node, labels: world.nodes.get(node), host };
    let pods = pods::of_node(world, &here, &mut notes);
    let interfaces = pods.values().flat_map(DesiredPod::interfaces).collect();
    let uplinks = uplinks::of_node(&possible.uplinks, &here, &interfaces, &mut notes);
    let tiers = tiers::of_node(&possible, &uplinks, &mut notes);
    let pods = limits::of_pods(pods, world, &uplinks, &tiers, &mut notes);
    (Desired { uplinks, tiers, pods }, Findings { rejections, notes })
}

/// The node that everything is judged for.
struct Here<'a> {
    node: &'a str,
    labels: Option<&'a Labels>,
    host: &'a Host,
}

/// What this node should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Uplinks of this node by name.
    pub uplinks: BTreeMap<String, DesiredUplink>,
    /// Tiers on those uplinks by name.
    pub tiers: BTreeMap<String, DesiredTier>,
    /// Every pod of this node that has not ended.
    pub pods: BTreeMap<PodKey, DesiredPod>,
}

/// What [`Desired`] was computed from and did not use, with the reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Objects that are impossible beside the others.
    pub rejections: Vec<Rejection>,
    /// Objects that are fine and yet not (fully) enforced on this node, as of now: the interface is missing, a pod's veth
    /// is not there yet, two tiers select one pod.
    pub notes: Vec<Rejection>,
}

/// An uplink on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredUplink {
    /// Capacity as the object says it.
    pub capacity: Rate,
    /// Capacity less headroom: what Weir lets pass.
    pub rate: Rate,
    /// What the line adds to each packet.
    pub overhead: Option<Overhead>,
    /// ifindex and name of its interfaces; empty while there is none.
    pub interfaces: BTreeMap<u32, String>,
    /// Destinations that do not cross it: those that the object lists, and the LANs of its interfaces.
    pub exempt: Vec<IpNet>,
}

/// A tier on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredTier {
    /// Name of its uplink.
    pub uplink: String,
    /// Pods of the tier.
    pub pods: Selector,
    /// Namespaces that those pods are in.
    pub namespaces: Selector,
    /// Where its object stands.
    pub location: Option<Location>,
    /// 0 for none.
    pub guarantee: Rate,
    /// At most the uplink's rate.
    pub ceiling: Rate,
    /// For each of its pods.
    pub pod_ceiling: Option<Rate>,
    /// 0 to 63.
    pub dscp: Option<u8>,
}

/// A pod of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredPod {
    /// `metadata.uid`.
    pub uid: String,
    /// Its controller, `kind/name`.
    pub workload: String,
    /// Where its packets are seen.
    pub place: Place,
    /// Further interfaces of the node that lead into its network namespace: ifindex and name.
    pub further: BTreeMap<u32, String>,
    /// Its cgroup, by which its sockets are known.
    pub cgroup: Option<Cgroup>,
    /// Its own addresses; none for a pod that shares the node's network.
    pub addresses: BTreeSet<IpAddr>,
    /// Name of its tier on each uplink, by the uplink's name.
    pub tiers: BTreeMap<String, String>,
    /// The lowest of its own limits on each uplink, by the uplink's name.
    pub ceilings: BTreeMap<String, PodCeiling>,
}

impl DesiredPod {
    /// All interfaces of the node that lead to the pod, by ifindex.
    pub fn interfaces(&self) -> impl Iterator<Item = u32> {
        self.place.interface().into_iter().chain(self.further.keys().copied())
    }

    /// Returns whether the pod is limited on any uplink.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.tiers.is_empty() || !self.ceilings.is_empty()
    }

    /// Returns whether the pod is in this tier.
    #[must_use]
    pub fn is_in(&self, tier: &str) -> bool {
        self.tiers.values().any(|name| name == tier)
    }

    /// The names of its tiers, in the order of their uplinks.
    #[must_use]
    pub fn tier_names(&self) -> String {
        self.tiers.values().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}

/// Where a pod's packets are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Host side of its veth (or netkit).
    Veth {
        /// ifindex of the host side.
        ifindex: u32,
        /// Name of the host side.
        name: String,
    },
    /// It shares the node's network: its sockets are known by their cgroup.
    HostNetwork,
    /// No interface of the node leads to it (macvlan, ipvlan): its sockets are known by their cgroup as long as they stay
    /// with the packet.
    Sockets,
    /// Nowhere yet.
    #[default]
    Unknown,
}

impl Place {
    /// The node's interface that leads to the pod.
    #[must_use]
    pub fn interface(&self) -> Option<u32> {
        match self {
            Self::Veth { ifindex, .. } => Some(*ifindex),
            Self::HostNetwork | Self::Sockets | Self::Unknown => None,
        }
    }
}

/// A limit of a single pod and the object that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodCeiling {
    /// The limit.
    pub rate: Rate,
    /// `annotation kubernetes.io/egress-bandwidth`, or `TrafficTier NAME perPodCeiling`.
    pub from: String,
}
