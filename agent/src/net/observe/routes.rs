//! The interfaces by which public addresses are reached: where an uplink is when nobody named it.
//!
//! The kernel is asked for the route to a few public addresses, so that whatever it would do counts: two halves in the
//! place of a default route (0.0.0.0/1 and 128.0.0.0/1), tables that rules choose (wg-quick, Tailscale), metrics, and
//! several paths of one route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteProtocol,
        RouteType,
    },
};
use nix::errno::Errno;

use super::senders::Sender;
use crate::net::{Error, Result, channel::Channel};

/// An address in each eighth of the IPv4 unicast space, so that halves and quarters that lead elsewhere are seen.
const PUBLIC_V4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(9, 9, 9, 9),
    Ipv4Addr::new(45, 1, 1, 1),
    Ipv4Addr::new(73, 1, 1, 1),
    Ipv4Addr::new(104, 1, 1, 1),
    Ipv4Addr::new(142, 1, 1, 1),
    Ipv4Addr::new(185, 1, 1, 1),
    Ipv4Addr::new(208, 1, 1, 1),
];
/// An address of each regional registry (IANA's IPv6 global unicast assignments).
const PUBLIC_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2400, 0xcb00, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2607, 0xf8b0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2804, 0x10, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2a00, 0x1450, 0, 0, 0, 0, 0, 1),
];
/// A route to a longer prefix leads to one place and not to the internet.
const LONGEST_V4: u8 = 8;
const LONGEST_V6: u8 = 12;

/// Returns the ifindex of each interface by which the node itself or one of `senders` reaches public addresses: IPv4
/// first, without repetition.
pub(super) fn public_interfaces(channel: &mut Channel, senders: &[Sender]) -> Result<Vec<u32>> {
    let mut interfaces = Vec::new();
    let addresses = PUBLIC_V4.into_iter().map(IpAddr::V4).chain(PUBLIC_V6.into_iter().map(IpAddr::V6));
    for address in addresses {
        let senders = senders.iter().filter(|sender| sender.address.is_ipv4() == address.is_ipv4());
        for sender in std::iter::once(None).chain(senders.map(Some)) {
            for interface in way_to(channel, address, sender)? {
                if !interfaces.contains(&interface) {
                    interfaces.push(interface);
                }
            }
        }
    }
    Ok(interfaces)
}

/// The interfaces of the route that a packet to an address would take; none without a route, or where it leads to a few
/// networks only.
fn way_to(channel: &mut Channel, to: IpAddr, from: Option<&Sender>) -> Result<Vec<u32>> {
    let action = format!("look up the route to {to}");
    match channel.get(&action, RouteNetlinkMessage::GetRoute(question(to, from)), parse_way) {
        Ok(found) => Ok(found.unwrap_or_default()),
        // No route, a route that refuses, or a kernel without this protocol.
        Err(Error::Kernel { .. }) => Ok(Vec::new()),
        Err(other) => Err(other),
    }
}

fn question(to: IpAddr, from: Option<&Sender>) -> RouteMessage {
    let mut request = RouteMessage::default();
    let (family, bits) = if to.is_ipv4() { (AddressFamily::Inet, 32) } else { (AddressFamily::Inet6, 128) };
    request.header.address_family = family;
    request.header.destination_prefix_length = bits;
    // The route as it is in its table, with its prefix and all of its paths, and not the one path for this packet.
    request.header.flags = RouteFlags::FibMatch;
    request.attributes.push(RouteAttribute::Destination(of(to)));
    if let Some(Sender { ifindex, address }) = from {
        request.header.source_prefix_length = bits;
        request.attributes.push(RouteAttribute::Source(of(*address)));
        request.attributes.push(RouteAttribute::Iif(*ifindex));
    }
    request
}

fn of(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

fn parse_way(payload: &[u8]) -> std::result::Result<Option<Vec<u32>>, DecodeError> {
    let header = RouteHeader::parse(payload)?;
    let longest = if header.address_family == AddressFamily::Inet { LONGEST_V4 } else { LONGEST_V6 };
    if header.kind != RouteType::Unicast || header.destination_prefix_length > longest {
        return Ok(None);
    }
    Ok(Some(interfaces(&RouteMessage::parse(payload)?)))
}

fn interfaces(route: &RouteMessage) -> Vec<u32> {
    let mut found = Vec::new();
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(interface) => found.push(*interface),
            RouteAttribute::MultiPath(hops) => found.extend(
                hops.iter().filter(|hop| !hop.flags.contains(RouteNextHopFlags::Dead)).map(|hop| hop.interface_index),
            ),
            _ => {}
        }
    }
    found
}

/// Returns the networks that router advertisements say are on the link, with the interface of each.
pub(super) fn advertised(channel: &mut Channel) -> Result<Vec<(u32, IpNet)>> {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet6;
    request.header.table = RouteHeader::RT_TABLE_MAIN;
    request.header.protocol = RouteProtocol::Ra;
    match channel.dump("list the advertised networks", &RouteNetlinkMessage::GetRoute(request), parse_advertised) {
        // Without any route of this family there is no main table; without IPv6 there is no such dump.
        Err(Error::Kernel { errno: Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT, .. }) => Ok(Vec::new()),
        other => other,
    }
}

fn parse_advertised(payload: &[u8]) -> std::result::Result<Option<(u32, IpNet)>, DecodeError> {
    let header = RouteHeader::parse(payload)?;
    if header.protocol != RouteProtocol::Ra || header.kind != RouteType::Unicast {
        return Ok(None);
    }
    Ok(on_link(&RouteMessage::parse(payload)?))
}

/// The network of a route without a gateway.
fn on_link(route: &RouteMessage) -> Option<(u32, IpNet)> {
    let (mut network, mut interface) = (None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_) => return None,
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => network = Some(IpAddr::V6(*address)),
            RouteAttribute::Oif(oif) => interface = Some(*oif),
            _ => {}
        }
    }
    Some((interface?, IpNet::new(network?, route.header.destination_prefix_length).ok()?))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    fn written(message: &RouteMessage) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    fn route(prefix: u8, attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        route.header.destination_prefix_length = prefix;
        route.header.kind = RouteType::Unicast;
        route.attributes = attributes;
        route
    }

    #[test]
    fn halves_lead_to_the_internet_and_single_networks_do_not() {
        for (prefix, expected) in [(0, Some(vec![7])), (1, Some(vec![7])), (8, Some(vec![7])), (24, None)] {
            let answer = written(&route(prefix, vec![RouteAttribute::Oif(7)]));
            assert_eq!(parse_way(&answer).expect("well-formed"), expected, "/{prefix}");
        }
    }

    #[test]
    fn an_advertised_network_is_on_the_link_unless_it_has_a_gateway() {
        let prefix = RouteAttribute::Destination(RouteAddress::Inet6("2001:db8:1::".parse().expect("an address")));
        let mut on_the_link = route(64, vec![prefix.clone(), RouteAttribute::Oif(3)]);
        on_the_link.header.address_family = AddressFamily::Inet6;
        on_the_link.header.protocol = RouteProtocol::Ra;
        let expected = (3, "2001:db8:1::/64".parse().expect("a network"));
        assert_eq!(parse_advertised(&written(&on_the_link)).expect("well-formed"), Some(expected));
        let gateway = RouteAttribute::Gateway(RouteAddress::Inet6("fe80::1".parse().expect("an address")));
        on_the_link.attributes.push(gateway);
        assert_eq!(parse_advertised(&written(&on_the_link)).expect("well-formed"), None);
    }
}
