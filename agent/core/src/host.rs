//! What the node's kernel says about its interfaces, routes and cgroups: the facts that the objects meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

/// The node's network, as read by netlink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Links by ifindex.
    pub links: BTreeMap<u32, Link>,
    /// ifindex of each interface by which public addresses are reached, IPv4 before IPv6, without repetition.
    pub default_routes: Vec<u32>,
    /// Cgroups of pods, by the UID in their names.
    pub cgroups: BTreeMap<String, Cgroup>,
    /// UIDs of pods that have cgroups in the version 1 hierarchy alone.
    pub legacy_cgroups: BTreeSet<String>,
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

    /// The bridge or VRF that an interface belongs to: it takes the interface's place as the one by which packets came.
    #[must_use]
    pub fn shared_master(&self, ifindex: u32) -> Option<u32> {
        let master = self.links.get(&ifindex)?.master?;
        let kind = self.links.get(&master)?.kind.as_deref();
        matches!(kind, Some("bridge" | "vrf")).then_some(master)
    }

    /// Weir's own veth on which bursts are split, if both ends are up and it does split.
    #[must_use]
    pub fn splitter(&self) -> Option<Splitter> {
        let end = |name: &str| {
            let is_end = |link: &Link| link.name == name && link.kind.as_deref() == Some("veth") && link.up;
            self.links.iter().find(|(_, link)| is_end(link)).map(|(&ifindex, link)| (ifindex, link.max_segments))
        };
        let [(bursts, max_segments), (segments, _)] = [end(SPLITTER[0])?, end(SPLITTER[1])?];
        (max_segments == 1).then_some(Splitter { bursts, segments })
    }

    /// What keeps Weir's programs from an interface, if anything.
    #[must_use]
    pub fn blocked(&self, ifindex: u32) -> Option<&Blocked> {
        self.links.get(&ifindex)?.blocked.as_ref()
    }

    /// The veths whose other ends live in the same network namespace as this one's, with itself.
    pub fn beside(&self, ifindex: u32) -> impl Iterator<Item = (u32, &Link)> {
        let namespace = self.links.get(&ifindex).and_then(|link| link.namespace);
        let is_beside = move |link: &Link| namespace.is_some() && link.namespace == namespace;
        self.links.iter().filter(move |(_, link)| is_beside(link)).map(|(&ifindex, link)| (ifindex, link))
    }

    /// The ports by which a bridge reaches a network: what goes out by the bridge leaves by these, and what pods send that
    /// are ports of it themselves, which never passes the bridge's own hooks.
    ///
    /// These are hardware and what stands on it. Where there is none, the node is itself a container, and its way out is the
    /// veth that was there before those of its pods. None where a port leads to a virtual machine, which may be the router.
    #[must_use]
    pub fn wires(&self, bridge: u32) -> Vec<u32> {
        let of_kinds = |kinds: &'static [Option<&str>]| {
            let ports = self.links.iter().filter(|(port, _)| self.bridge(**port) == Some(bridge));
            ports.filter(|(_, port)| kinds.contains(&port.kind.as_deref())).map(|(&ifindex, port)| (ifindex, port))
        };
        if of_kinds(&[Some("tun")]).next().is_some() {
            return Vec::new();
        }
        let hardware: Vec<u32> =
            of_kinds(&[None, Some("bond"), Some("team"), Some("vlan")]).map(|(ifindex, _)| ifindex).collect();
        if !hardware.is_empty() {
            return hardware;
        }
        let oldest = of_kinds(&[Some("veth")]).find(|(_, port)| port.inside.is_empty());
        oldest.into_iter().map(|(ifindex, _)| ifindex).collect()
    }

    /// Returns whether an interface is this bridge, or a VLAN on it.
    #[must_use]
    pub fn stands_on(&self, ifindex: u32, bridge: u32) -> bool {
        let lower = || self.links.get(&ifindex).filter(|link| link.kind.as_deref() == Some("vlan"))?.lower;
        ifindex == bridge || lower() == Some(bridge)
    }

    /// The bridge that an interface is a port of.
    #[must_use]
    pub fn bridge(&self, ifindex: u32) -> Option<u32> {
        let master = self.links.get(&ifindex)?.master?;
        (self.links.get(&master)?.kind.as_deref() == Some("bridge")).then_some(master)
    }
}

/// Names of the two ends of Weir's own veth: bursts go in at the first, and come out of the second as segments.
pub const SPLITTER: [&str; 2] = ["weir-split0", "weir-split1"];

/// ifindexes of Weir's own veth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Splitter {
    /// Where bursts go in.
    pub bursts: u32,
    /// Where segments come out.
    pub segments: u32,
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
    /// How many segments the kernel hands it in one piece at most (`gso_max_segs`).
    pub max_segments: u32,
    /// ifindex of the device below (VLAN, macvlan): `IFLA_LINK` in this namespace.
    pub lower: Option<u32>,
    /// ifindex of the bond, bridge or VRF above: `IFLA_MASTER`.
    pub master: Option<u32>,
    /// The network namespace that the other end of this veth lives in, by the id that this namespace has for it.
    pub namespace: Option<i32>,
    /// Addresses of the other end of this veth; empty for other links.
    pub inside: BTreeSet<IpAddr>,
    /// Networks that are reached on this link without a router: those of its addresses and of router advertisements.
    pub on_link: BTreeSet<IpNet>,
    /// Why no program of Weir can be attached to it, if that is so: below 6.6 a filter or qdisc of somebody else may
    /// stand where it would have to stand.
    pub blocked: Option<Blocked>,
}

/// What keeps Weir's programs from an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// An `ingress` qdisc stands where the clsact qdisc has to be, so that there is no egress hook.
    IngressQdisc,
    /// A filter of this kind has priority 1, which Weir's filter needs so that it comes first.
    Filter(String),
}

/// A pod's own cgroup in the version 2 hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its id (inode number), as `bpf_skb_ancestor_cgroup_id` returns it.
    pub id: u64,
    /// Its distance from the root.
    pub level: u32,
}
