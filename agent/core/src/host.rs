//! What the node's kernel says about its interfaces, routes and cgroups: the facts that the objects meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// The node's network, as read by netlink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Links by ifindex.
    pub links: BTreeMap<u32, Link>,
    /// ifindex of each default route, best metric first, IPv4 before IPv6, without repetition.
    pub default_routes: Vec<u32>,
    /// Cgroups of pods, by pod UID.
    pub cgroups: BTreeMap<String, Cgroup>,
}

impl Host {
    /// The links' names by ifindex.
    #[must_use]
    pub fn names(&self) -> BTreeMap<u32, String> {
        self.links.iter().map(|(&ifindex, link)| (ifindex, link.name.clone())).collect()
    }

    /// A link's name, or words for one that is gone.
    #[must_use]
    pub fn name(&self, ifindex: u32) -> String {
        self.links.get(&ifindex).map_or_else(|| format!("interface {ifindex}"), |link| link.name.clone())
    }
}

/// A network interface of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// `IFLA_INFO_KIND` (`veth`, `bridge`, `vlan`, …); none for hardware.
    pub kind: Option<String>,
    /// Whether frames have an Ethernet header (`ARPHRD_ETHER`).
    pub ethernet: bool,
    /// Whether it is administratively up.
    pub up: bool,
    /// Number of transmit queues.
    pub tx_queues: u32,
    /// ifindex of the device below (VLAN, macvlan): `IFLA_LINK` in this namespace.
    pub lower: Option<u32>,
    /// ifindex of the bond or bridge above: `IFLA_MASTER`.
    pub master: Option<u32>,
    /// Addresses inside the namespace that the other end of this veth lives in; empty for other links.
    pub inside: BTreeSet<IpAddr>,
}

/// A pod's own cgroup in the version 2 hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its id (inode number), as `bpf_skb_ancestor_cgroup_id` returns it.
    pub id: u64,
    /// Its distance from the root.
    pub level: u32,
}
