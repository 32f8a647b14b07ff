//! The addresses on interfaces of this namespace, and of others without entering them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, ErrorContext, NlasIterator, parse_u32};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
};
use nix::errno::Errno;

use super::links::Peer;
use crate::net::{Error, Result, channel::Channel};

/// `struct ifaddrmsg`: family u8, prefix length u8, flags u8, scope u8, index u32 (`linux/if_addr.h`).
const HEADER_BYTES: usize = 8;

/// Address attributes (`linux/if_addr.h`).
mod ifa {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const LOCAL: u16 = 2;
}

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OnInterface {
    ifindex: u32,
    address: IpAddr,
    prefix: u8,
}

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
        for OnInterface { ifindex, address, .. } in namespace(channel, nsid)? {
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
    let found = channel.dump("list the addresses", &request, parse)?;
    let network = |found: OnInterface| Some((found.ifindex, IpNet::new(found.address, found.prefix).ok()?.trunc()));
    Ok(found.into_iter().filter_map(network).collect())
}

fn namespace(channel: &mut Channel, nsid: i32) -> Result<Vec<OnInterface>> {
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

/// `IFA_LOCAL` is the interface's own address where both are given: on a point-to-point link `IFA_ADDRESS` is the
/// other side's (`linux/if_addr.h`). Other attributes are not looked at: a label may be no text.
fn parse(payload: &[u8]) -> std::result::Result<Option<OnInterface>, DecodeError> {
    if payload.len() < HEADER_BYTES {
        return Err(DecodeError::buffer_too_small(payload.len(), HEADER_BYTES));
    }
    let (prefix, ifindex) = (payload[1], parse_u32(&payload[4..8])?);
    let (mut local, mut other) = (None, None);
    for attribute in NlasIterator::new(&payload[HEADER_BYTES..]) {
        let attribute = attribute.with_context(|| format!("an address of link {ifindex}"))?;
        match attribute.kind() {
            ifa::LOCAL => local = ip(attribute.value()),
            ifa::ADDRESS => other = ip(attribute.value()),
            _ => {}
        }
    }
    let own = local.or(other).filter(|address| !link_local(*address));
    Ok(own.map(|address| OnInterface { ifindex, address, prefix }))
}

/// Reads an address in network byte order.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    fn parsed(attributes: Vec<AddressAttribute>) -> Option<OnInterface> {
        let mut message = AddressMessage::default();
        (message.header.index, message.header.prefix_len) = (3, 24);
        message.attributes = attributes;
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        // IFA_LABEL of four bytes that are no text.
        bytes.extend([8, 0, 3, 0, b'e', 0xe9, 0xff, 0]);
        parse(&bytes).expect("well-formed")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_own_end_of_a_point_to_point_link_counts() {
        let (other, own) = (address("10.0.0.1"), address("10.0.0.2"));
        let both = parsed(vec![AddressAttribute::Address(other), AddressAttribute::Local(own)]);
        assert_eq!(both, Some(OnInterface { ifindex: 3, address: own, prefix: 24 }));
    }

    #[test]
    fn ipv6_has_only_the_address() {
        let global = parsed(vec![AddressAttribute::Address(address("2001:db8::7"))]);
        assert_eq!(global.map(|found| found.address), Some(address("2001:db8::7")));
    }

    #[test]
    fn link_local_addresses_name_nobody() {
        assert_eq!(parsed(vec![AddressAttribute::Address(address("fe80::1"))]), None);
    }

    #[test]
    fn a_cut_message_is_an_error() {
        assert!(parse(&[0; HEADER_BYTES - 1]).is_err());
    }
}
