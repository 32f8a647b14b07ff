//! The addresses on interfaces of this namespace, and of others without entering them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
};
use nix::errno::Errno;

use super::links::Peer;
use crate::net::{Error, Result, channel::Channel};

/// The addresses of each peer that has any, link-local IPv6 left out: every interface has one, and no pod is known by
/// it.
///
/// Each namespace is read once, however many veths lead into it.
pub(super) fn read(
    channel: &mut Channel,
    peers: impl Iterator<Item = Peer>,
) -> Result<BTreeMap<Peer, BTreeSet<IpAddr>>> {
    let peers: BTreeSet<Peer> = peers.collect();
    let namespaces: BTreeSet<i32> = peers.iter().map(|peer| peer.nsid).collect();
    let mut addresses = BTreeMap::new();
    for nsid in namespaces {
        for (ifindex, address) in namespace(channel, nsid)? {
            let peer = Peer { nsid, ifindex };
            if peers.contains(&peer) {
                addresses.entry(peer).or_insert_with(BTreeSet::new).insert(address);
            }
        }
    }
    Ok(addresses)
}

/// Returns the networks of the addresses in this namespace, with the interface of each.
pub(super) fn own_networks(channel: &mut Channel) -> Result<Vec<(u32, IpNet)>> {
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    channel.dump("list the addresses", &request, |payload| Ok(own_network(&AddressMessage::parse(payload)?)))
}

fn own_network(message: &AddressMessage) -> Option<(u32, IpNet)> {
    let (ifindex, address) = own_address(message)?;
    Some((ifindex, IpNet::new(address, message.header.prefix_len).ok()?.trunc()))
}

fn namespace(channel: &mut Channel, nsid: i32) -> Result<Vec<(u32, IpAddr)>> {
    let mut request = AddressMessage::default();
    request.attributes = vec![AddressAttribute::TargetNetNsId(nsid)];
    let action = format!("list the addresses in network namespace {nsid}");
    match channel.dump(&action, &RouteNetlinkMessage::GetAddress(request), parse) {
        // EINVAL: the namespace has gone (rtnl_get_net_ns_capable, net/core/rtnetlink.c).
        Err(Error::Kernel { errno: Errno::EINVAL, .. }) => Ok(Vec::new()),
        // A namespace of a user namespace over which the agent has no CAP_NET_ADMIN.
        Err(error @ Error::Kernel { errno: Errno::EACCES | Errno::EPERM, .. }) => {
            tracing::debug!(nsid, %error, "a pod cannot be recognised by its addresses");
            Ok(Vec::new())
        }
        other => other,
    }
}

fn parse(payload: &[u8]) -> std::result::Result<Option<(u32, IpAddr)>, DecodeError> {
    Ok(own_address(&AddressMessage::parse(payload)?))
}

/// `IFA_LOCAL` is the interface's own address where both are given: on a point-to-point link `IFA_ADDRESS` is the
/// other side's (`linux/if_addr.h`).
fn own_address(message: &AddressMessage) -> Option<(u32, IpAddr)> {
    let find = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    let local = find(|attribute| if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None });
    let other =
        || find(|attribute| if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None });
    local.or_else(other).filter(|address| !link_local(*address)).map(|address| (message.header.index, address))
}

fn link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: Vec<AddressAttribute>) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = 3;
        message.attributes = attributes;
        message
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_own_end_of_a_point_to_point_link_counts() {
        let both = message(vec![AddressAttribute::Address(ip("10.0.0.1")), AddressAttribute::Local(ip("10.0.0.2"))]);
        assert_eq!(own_address(&both), Some((3, ip("10.0.0.2"))));
    }

    #[test]
    fn ipv6_has_only_the_address() {
        let global = message(vec![AddressAttribute::Address(ip("2001:db8::7"))]);
        assert_eq!(own_address(&global), Some((3, ip("2001:db8::7"))));
    }

    #[test]
    fn link_local_addresses_name_nobody() {
        let local = message(vec![AddressAttribute::Address(ip("fe80::1"))]);
        assert_eq!(own_address(&local), None);
    }
}
