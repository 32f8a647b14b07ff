//! The node's links, and where the other end of each veth is.
//!
//! Only the few attributes that matter are looked at, so that one that this program does not know cannot hide a link.

use std::collections::BTreeMap;

use netlink_packet_core::{DecodeError, ErrorContext, NlasIterator, parse_i32, parse_string, parse_u16, parse_u32};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkExtentMask, LinkMessage},
};
use weir_core::host::Link;

use crate::net::{Result, channel::Channel};

/// `struct ifinfomsg`: family u8, pad u8, type u16, index i32, flags u32, change u32 (`linux/rtnetlink.h`).
const HEADER_BYTES: usize = 16;
/// `ARPHRD_ETHER` (`linux/if_arp.h`).
const ARPHRD_ETHER: u16 = 1;
/// `IFF_UP` (`linux/if.h`).
const IFF_UP: u32 = 1;

/// Link attributes (`linux/if_link.h`).
mod ifla {
    pub(super) const IFNAME: u16 = 3;
    pub(super) const LINK: u16 = 5;
    pub(super) const MASTER: u16 = 10;
    pub(super) const LINKINFO: u16 = 18;
    pub(super) const NUM_TX_QUEUES: u16 = 31;
    pub(super) const LINK_NETNSID: u16 = 37;
    pub(super) const GSO_MAX_SEGS: u16 = 40;
    /// Inside `LINKINFO`.
    pub(super) const INFO_KIND: u16 = 1;
}

/// An interface in another namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peer {
    /// The namespace's id as this namespace knows it.
    pub(super) nsid: i32,
    /// The interface's index there.
    pub(super) ifindex: u32,
}

/// A link, and the other end of it if it is a veth (or netkit) into another namespace.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) link: Link,
    pub(super) peer: Option<Peer>,
}

/// All links of the namespace by ifindex.
pub(super) fn read(channel: &mut Channel) -> Result<BTreeMap<u32, Seen>> {
    let mut request = LinkMessage::default();
    request.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    let found =
        channel.dump("list the links", &RouteNetlinkMessage::GetLink(request), |payload| parse(payload).map(Some))?;
    Ok(found.into_iter().collect())
}

fn parse(payload: &[u8]) -> std::result::Result<(u32, Seen), DecodeError> {
    if payload.len() < HEADER_BYTES {
        return Err(DecodeError::buffer_too_small(payload.len(), HEADER_BYTES));
    }
    let ifindex = parse_u32(&payload[4..8])?;
    let mut link = Link {
        ethernet: parse_u16(&payload[2..4])? == ARPHRD_ETHER,
        up: parse_u32(&payload[8..12])? & IFF_UP != 0,
        tx_queues: 1,
        ..Link::default()
    };
    let (mut below, mut nsid) = (None, None);
    for attribute in NlasIterator::new(&payload[HEADER_BYTES..]) {
        let attribute = attribute.with_context(|| format!("link {ifindex}"))?;
        let value = attribute.value();
        match attribute.kind() {
            ifla::IFNAME => link.name = name(value),
            ifla::LINK => below = Some(parse_u32(value)?),
            ifla::MASTER => link.master = Some(parse_u32(value)?),
            ifla::LINKINFO => link.kind = kind(value)?,
            ifla::NUM_TX_QUEUES => link.tx_queues = parse_u32(value)?,
            ifla::GSO_MAX_SEGS => link.max_segments = parse_u32(value)?,
            ifla::LINK_NETNSID => nsid = Some(parse_i32(value)?),
            _ => {}
        }
    }
    let peer = match (nsid, below) {
        // The index there may be the same as here. -1: the kernel could not give the namespace an id (NETNSA_NSID_NOT_ASSIGNED).
        (Some(nsid), Some(ifindex)) if nsid >= 0 && matches!(link.kind.as_deref(), Some("veth" | "netkit")) => {
            Some(Peer { nsid, ifindex })
        }
        _ => None,
    };
    link.lower = below.filter(|below| nsid.is_none() && *below != ifindex && *below != 0);
    Ok((ifindex, Seen { link, peer }))
}

/// A name for a person. The kernel allows any bytes but white space, `/` and `:` (`dev_valid_name`, `net/core/dev.c`).
pub(super) fn name(value: &[u8]) -> String {
    let bytes = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

fn kind(info: &[u8]) -> std::result::Result<Option<String>, DecodeError> {
    for attribute in NlasIterator::new(info) {
        let attribute = attribute.context("IFLA_LINKINFO")?;
        if attribute.kind() == ifla::INFO_KIND {
            return parse_string(attribute.value()).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).expect("short");
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(kind: &str, attributes: &[Vec<u8>]) -> (u32, Seen) {
        let header = [&[0, 0, 1, 0][..], &9_u32.to_ne_bytes(), &IFF_UP.to_ne_bytes(), &[0; 4]].concat();
        let info = attribute(ifla::LINKINFO, &attribute(ifla::INFO_KIND, format!("{kind}\0").as_bytes()));
        let payload = [header, attribute(ifla::IFNAME, b"x0\0"), info, attributes.concat()].concat();
        parse(&payload).expect("well-formed")
    }

    fn number(kind: u16, value: u32) -> Vec<u8> {
        attribute(kind, &value.to_ne_bytes())
    }

    #[test]
    fn a_veth_into_another_namespace_has_a_peer_and_nothing_below() {
        let (ifindex, seen) = link("veth", &[number(ifla::LINK, 2), number(ifla::LINK_NETNSID, 5)]);
        assert_eq!((ifindex, seen.link.name.as_str(), seen.link.up, seen.link.ethernet), (9, "x0", true, true));
        assert_eq!(seen.peer, Some(Peer { nsid: 5, ifindex: 2 }));
        assert_eq!(seen.link.lower, None);
    }

    #[test]
    fn both_ends_of_a_veth_may_have_the_same_index() {
        let (ifindex, seen) = link("veth", &[number(ifla::LINK, 9), number(ifla::LINK_NETNSID, 5)]);
        assert_eq!(seen.peer, Some(Peer { nsid: 5, ifindex }));
    }

    #[test]
    fn a_vlan_stands_on_its_lower_device() {
        let (_, seen) = link("vlan", &[number(ifla::LINK, 2), number(ifla::MASTER, 4)]);
        assert_eq!((seen.link.lower, seen.link.master, seen.peer), (Some(2), Some(4), None));
    }

    #[test]
    fn a_macvlan_over_a_foreign_device_leads_nowhere() {
        let (_, seen) = link("macvlan", &[number(ifla::LINK, 2), number(ifla::LINK_NETNSID, 5)]);
        assert_eq!((seen.link.lower, seen.peer), (None, None));
    }

    #[test]
    fn a_namespace_without_an_id_is_not_asked() {
        let (_, seen) = link("veth", &[number(ifla::LINK, 2), number(ifla::LINK_NETNSID, u32::MAX)]);
        assert_eq!((seen.link.lower, seen.peer), (None, None));
    }

    #[test]
    fn a_name_that_is_no_text_hides_no_link() {
        let (_, seen) = link("veth", &[attribute(ifla::IFNAME, b"caf\xe9\0")]);
        assert_eq!(seen.link.name, "caf\u{fffd}");
    }

    #[test]
    fn a_cut_attribute_is_an_error() {
        assert!(parse(&[0; HEADER_BYTES - 1]).is_err());
        assert!(parse(&[&[0; HEADER_BYTES][..], &[200, 0, 3, 0]].concat()).is_err());
    }
}
