//! The lab's addressing plan, in one place.
//!
//! | where | IPv4 | IPv6 |
//! |---|---|---|
//! | LAN | `192.168.50.0/24` | `fd00:50::/64` |
//! | pods of node n | `10.244.n.0/24` | `fd00:244:0:n::/64` |
//! | internet | `203.0.113.0/24` (RFC 5737) | `2001:db8:ffff::/64` (RFC 3849) |
//! | inside a tunnel | `10.99.0.0/24` | `fd00:99::/64` |
//!
//! The internet's ranges are for documentation, not private: Weir exempts private destinations.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which protocols a pod speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Both.
    #[default]
    Dual,
}

impl Family {
    /// Whether IPv4 is spoken.
    #[must_use]
    pub fn has_v4(self) -> bool {
        self != Self::V6
    }

    /// Whether IPv6 is spoken.
    #[must_use]
    pub fn has_v6(self) -> bool {
        self != Self::V4
    }
}

/// A host's two addresses in one of the lab's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

/// The host number of the router on the LAN and of the gateway of each node's pods.
pub(crate) const GATEWAY: u8 = 1;
/// Nodes are numbered from 1; their host number on the LAN is this much higher.
const FIRST_NODE: u8 = 10;
/// The internet host's number in its network.
pub(crate) const INTERNET_HOST: u8 = 10;

/// Further hosts of the internet are numbered from here.
pub(crate) const FIRST_PEER: u8 = 101;
/// The host number of the internet's end of a tunnel, and of the pod's.
pub(crate) const TUNNEL_SERVER: u8 = 1;
pub(crate) const TUNNEL_CLIENT: u8 = 2;

/// A host on the LAN.
pub(crate) fn lan(host: u8) -> Pair {
    Pair { v4: Ipv4Addr::new(192, 168, 50, host), v6: Ipv6Addr::new(0xfd00, 0x50, 0, 0, 0, 0, 0, host.into()) }
}

/// A node on the LAN, by its number from 1.
pub(crate) fn node(number: u8) -> Pair {
    lan(FIRST_NODE + number)
}

/// A pod's addresses, by its node's number and its own.
pub(crate) fn pod(node: u8, host: u8) -> Pair {
    Pair {
        v4: Ipv4Addr::new(10, 244, node, host),
        v6: Ipv6Addr::new(0xfd00, 0x244, 0, node.into(), 0, 0, 0, host.into()),
    }
}

/// The network of a node's pods, as routes name it.
pub(crate) fn pod_networks(node: u8) -> [String; 2] {
    [format!("10.244.{node}.0/24"), format!("fd00:244:0:{node:x}::/64")]
}

/// A host behind the uplink.
pub(crate) fn internet(host: u8) -> Pair {
    Pair { v4: Ipv4Addr::new(203, 0, 113, host), v6: Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, host.into()) }
}

/// An end of a tunnel.
pub(crate) fn tunnel(host: u8) -> Pair {
    Pair { v4: Ipv4Addr::new(10, 99, 0, host), v6: Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, host.into()) }
}

impl Pair {
    /// The lines of `ip` that put both addresses on an interface.
    pub(crate) fn assign(self, interface: &str) -> [String; 2] {
        [format!("addr add {}/24 dev {interface}", self.v4), format!("addr add {}/64 dev {interface} nodad", self.v6)]
    }

    /// The lines of `ip` that make this pair the default gateway.
    pub(crate) fn as_default_gateway(self) -> [String; 2] {
        [format!("route add default via {}", self.v4), format!("route add default via {}", self.v6)]
    }

    /// The addresses of a family, IPv4 first.
    pub(crate) fn of(self, family: Family) -> Vec<IpAddr> {
        let v4 = family.has_v4().then_some(IpAddr::V4(self.v4));
        let v6 = family.has_v6().then_some(IpAddr::V6(self.v6));
        v4.into_iter().chain(v6).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_is_not_private() {
        let there = internet(INTERNET_HOST);
        assert!(!there.v4.is_private() && !there.v4.is_link_local());
        assert!(!there.v6.is_unique_local() && !there.v6.is_unicast_link_local());
    }

    #[test]
    fn pods_lie_in_their_nodes_network() {
        assert_eq!(pod(3, 17).v4.to_string(), "10.244.3.17");
        assert_eq!(pod(3, 17).v6.to_string(), "fd00:244:0:3::11");
        assert_eq!(pod_networks(3), ["10.244.3.0/24", "fd00:244:0:3::/64"]);
    }

    #[test]
    fn a_family_picks_its_addresses() {
        assert_eq!(lan(5).of(Family::V4), [IpAddr::V4(lan(5).v4)]);
        assert_eq!(lan(5).of(Family::Dual).len(), 2);
    }
}
