//! The interfaces of the default routes: where an uplink is when nobody named it.

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType},
};
use nix::errno::Errno;

use crate::net::{Error, Result, channel::Channel};

/// ifindex of each default route of the main table: IPv4 first, best metric first, without repetition.
pub(super) fn default_interfaces(channel: &mut Channel) -> Result<Vec<u32>> {
    let mut interfaces = Vec::new();
    for (action, family) in
        [("list the IPv4 routes", AddressFamily::Inet), ("list the IPv6 routes", AddressFamily::Inet6)]
    {
        let mut routes = read(channel, action, family)?;
        routes.sort_by_key(|route| route.metric);
        for interface in routes.into_iter().flat_map(|route| route.interfaces) {
            if !interfaces.contains(&interface) {
                interfaces.push(interface);
            }
        }
    }
    Ok(interfaces)
}

#[derive(Debug, PartialEq, Eq)]
struct DefaultRoute {
    metric: u32,
    interfaces: Vec<u32>,
}

fn read(channel: &mut Channel, action: &str, family: AddressFamily) -> Result<Vec<DefaultRoute>> {
    let mut request = RouteMessage::default();
    request.header.address_family = family;
    request.header.table = RouteHeader::RT_TABLE_MAIN;
    match channel.dump(action, &RouteNetlinkMessage::GetRoute(request), parse) {
        // Without any route of this family there is no main table; without IPv6 there is no such dump.
        Err(Error::Kernel { errno: Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT, .. }) => Ok(Vec::new()),
        other => other,
    }
}

/// A default route of the main table; none for any other route, which is not looked into further.
fn parse(payload: &[u8]) -> std::result::Result<Option<DefaultRoute>, DecodeError> {
    let header = RouteHeader::parse(payload)?;
    if header.destination_prefix_length != 0
        || header.source_prefix_length != 0
        || header.table != RouteHeader::RT_TABLE_MAIN
        || header.kind != RouteType::Unicast
    {
        return Ok(None);
    }
    Ok(Some(interfaces(RouteMessage::parse(payload)?)))
}

fn interfaces(route: RouteMessage) -> DefaultRoute {
    let mut found = DefaultRoute { metric: 0, interfaces: Vec::new() };
    for attribute in route.attributes {
        match attribute {
            RouteAttribute::Priority(metric) => found.metric = metric,
            RouteAttribute::Oif(interface) => found.interfaces.push(interface),
            RouteAttribute::MultiPath(hops) => found.interfaces.extend(
                hops.into_iter()
                    .filter(|hop| !hop.flags.contains(RouteNextHopFlags::Dead))
                    .map(|hop| hop.interface_index),
            ),
            _ => {}
        }
    }
    found
}
