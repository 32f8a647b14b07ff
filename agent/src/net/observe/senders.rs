//! Whose ways to the internet are looked up, beside the node's own: rules may send what is forwarded elsewhere than what
//! the node sends itself, by where it comes from (`ip-rule(8)`: `from`, `iif`), and a VRF has routes of its own.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, ErrorContext, NlasIterator, parse_u32};
use netlink_packet_route::{RouteNetlinkMessage, rule::RuleMessage};
use nix::errno::Errno;
use weir_core::host::Host;

use super::{inside::ip, links::name};
use crate::net::{Error, Result, channel::Channel};

/// Somebody whose packets are forwarded: by which interface they come, and from which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) ifindex: u32,
    pub(super) address: IpAddr,
}

/// `struct fib_rule_hdr`: family u8, lengths of the networks `dst_len` u8 and `src_len` u8, tos u8, table u8, 2 bytes, action u8, flags u32
/// (`linux/fib_rules.h`).
const HEADER_BYTES: usize = 12;
/// `FIB_RULE_INVERT` (`linux/fib_rules.h`).
const INVERT: u32 = 2;

/// Where the length of the source network and the flags stand in the header.
const SOURCE_BITS: usize = 2;
const FLAGS: std::ops::Range<usize> = 8..12;

/// Rule attributes (`linux/fib_rules.h`).
mod fra {
    pub(super) const SRC: u16 = 2;
    pub(super) const IIFNAME: u16 = 3;
    pub(super) const PRIORITY: u16 = 6;
}

/// A routing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    is_v6: bool,
    source: Option<IpNet>,
    interface: Option<String>,
    is_inverted: bool,
    /// All else that the kernel says of it, the bytes as they are: where it leads, and what else it looks at. Rules that
    /// have this in common lead the same packets to the same place.
    rest: Vec<u8>,
}

impl Rule {
    fn selects(&self, interface: &str, address: IpAddr) -> bool {
        let by_source = self.source.is_none_or(|source| source.contains(&address));
        let by_interface = self.interface.as_ref().is_none_or(|name| name == interface);
        self.is_v6 == address.is_ipv6() && (by_source && by_interface) != self.is_inverted
    }
}

/// Reads the rules of both protocols, in the order in which they are asked.
pub(super) fn rules(channel: &mut Channel) -> Result<Vec<Rule>> {
    match channel.dump("list the routing rules", &RouteNetlinkMessage::GetRule(RuleMessage::default()), parse) {
        // The kernel routes without rules.
        Err(Error::Kernel { errno: Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT, .. }) => Ok(Vec::new()),
        other => other,
    }
}

/// Only the attributes that matter are read: the name of an interface may be no text.
fn parse(payload: &[u8]) -> std::result::Result<Option<Rule>, DecodeError> {
    if payload.len() < HEADER_BYTES {
        return Err(DecodeError::buffer_too_small(payload.len(), HEADER_BYTES));
    }
    let (header, attributes) = payload.split_at(HEADER_BYTES);
    let is_v6 = match i32::from(payload[0]) {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        // Multicast routing has rules of its own.
        _ => return Ok(None),
    };
    let is_inverted = parse_u32(&header[FLAGS])? & INVERT != 0;
    let (mut source, mut interface, mut rest) = (None, None, header.to_vec());
    rest[SOURCE_BITS] = 0;
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.context("a routing rule")?;
        match attribute.kind() {
            fra::SRC => {
                source = ip(attribute.value()).and_then(|address| IpNet::new(address, header[SOURCE_BITS]).ok());
            }
            fra::IIFNAME => interface = Some(name(attribute.value())),
            fra::PRIORITY => {}
            kind => {
                rest.extend(kind.to_ne_bytes());
                rest.extend(attribute.value());
            }
        }
    }
    Ok(Some(Rule { is_v6, source, interface, is_inverted, rest }))
}

/// Returns one of those behind the node's veths for each way in which protocol, bridge or VRF, and rules tell them apart.
pub(super) fn senders(host: &Host, rules: &[Rule]) -> Vec<Sender> {
    let mut found = BTreeMap::new();
    for (&ifindex, link) in &host.links {
        let master = host.shared_master(ifindex);
        let ifindex = master.unwrap_or(ifindex);
        let interface = host.name(ifindex);
        for &address in link.inside.iter().filter(|address| !address.is_loopback()) {
            let selecting = rules.iter().filter(|rule| rule.selects(&interface, address));
            let mut ways: Vec<&[u8]> = selecting.map(|rule| rule.rest.as_slice()).collect();
            ways.dedup();
            found.entry((address.is_ipv6(), master, ways)).or_insert(Sender { ifindex, address });
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;
    use netlink_packet_route::{
        AddressFamily,
        rule::{RuleAction, RuleAttribute, RuleFlags},
    };
    use weir_core::host::Link;

    use super::*;

    fn rule(bits: u8, flags: RuleFlags, attributes: Vec<RuleAttribute>) -> Option<Rule> {
        let mut message = RuleMessage::default();
        (message.header.src_len, message.header.flags) = (bits, flags);
        (message.header.family, message.header.action) = (AddressFamily::Inet, RuleAction::ToTable);
        message.attributes = attributes;
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        parse(&bytes).expect("well-formed")
    }

    fn from(network: &str, table: u32) -> Rule {
        let network: IpNet = network.parse().expect("a network");
        let attributes = vec![RuleAttribute::Source(network.addr()), RuleAttribute::Table(table)];
        rule(network.prefix_len(), RuleFlags::empty(), attributes).expect("a rule")
    }

    fn veth(name: &str, inside: &[&str], master: Option<u32>) -> Link {
        let inside = inside.iter().map(|address| address.parse().expect("an address")).collect();
        Link { name: name.into(), kind: Some("veth".into()), inside, master, ..Link::default() }
    }

    /// Veths of pods: 11 and 12 by themselves, 13 and 14 on the bridge 9.
    fn host() -> Host {
        let mut host = Host::default();
        host.links.insert(9, Link { name: "cni0".into(), kind: Some("bridge".into()), ..Link::default() });
        host.links.insert(11, veth("pod11", &["127.0.0.1", "10.0.0.11", "fd00::11"], None));
        host.links.insert(12, veth("pod12", &["10.0.0.12"], None));
        host.links.insert(13, veth("pod13", &["10.0.1.13"], Some(9)));
        host.links.insert(14, veth("pod14", &["10.0.1.14"], Some(9)));
        host
    }

    fn found(rules: &[Rule]) -> Vec<(u32, String)> {
        senders(&host(), rules).iter().map(|sender| (sender.ifindex, sender.address.to_string())).collect()
    }

    fn expected(list: &[(u32, &str)]) -> Vec<(u32, String)> {
        list.iter().map(|(ifindex, address)| (*ifindex, (*address).to_owned())).collect()
    }

    #[test]
    fn one_of_each_protocol_and_bridge_is_asked() {
        assert_eq!(found(&[]), expected(&[(11, "10.0.0.11"), (9, "10.0.1.13"), (11, "fd00::11")]));
    }

    #[test]
    fn who_is_sent_elsewhere_by_a_rule_is_asked_too() {
        let twelve = from("10.0.0.12/32", 100);
        let all = expected(&[(11, "10.0.0.11"), (12, "10.0.0.12"), (9, "10.0.1.13"), (11, "fd00::11")]);
        assert_eq!(found(std::slice::from_ref(&twelve)), all);
        // Rules that lead to the same table are one.
        let both = [twelve, from("10.0.0.11/32", 100)];
        assert_eq!(found(&both), expected(&[(11, "10.0.0.11"), (9, "10.0.1.13"), (11, "fd00::11")]));
        let by_interface = vec![RuleAttribute::Iifname("pod12".into()), RuleAttribute::Table(7)];
        let by_interface = rule(0, RuleFlags::empty(), by_interface).expect("a rule");
        assert_eq!(found(&[by_interface]), all);
        let others = vec![RuleAttribute::Source("10.0.0.0".parse().expect("an address")), RuleAttribute::Table(7)];
        let not_here = rule(24, RuleFlags::Invert, others).expect("a rule");
        assert!(not_here.selects("cni0", "10.0.1.13".parse().expect("an address")));
        assert!(!not_here.selects("pod11", "10.0.0.11".parse().expect("an address")));
    }

    #[test]
    fn rules_for_everybody_count_by_their_place() {
        let everybody = rule(0, RuleFlags::empty(), vec![RuleAttribute::Table(60)]).expect("a rule");
        let (eleven, twelve) = (from("10.0.0.11/32", 52), from("10.0.0.12/32", 52));
        let one = [(11, "10.0.0.11"), (9, "10.0.1.13"), (11, "fd00::11")];
        assert_eq!(found(std::slice::from_ref(&everybody)), expected(&one));
        assert_eq!(found(&[eleven.clone(), twelve.clone(), everybody.clone()]).len(), 3);
        assert_eq!(found(&[twelve, everybody, eleven]).len(), 4, "one is sent there before, one after");
    }

    #[test]
    fn rules_that_look_at_something_else_too_are_told_apart() {
        let marked = vec![
            RuleAttribute::Source("10.0.0.11".parse().expect("an address")),
            RuleAttribute::FwMark(1),
            RuleAttribute::Table(100),
        ];
        let marked = rule(32, RuleFlags::empty(), marked).expect("a rule");
        assert_eq!(found(&[marked, from("10.0.0.12/32", 100)]).len(), 4);
        assert!(parse(&[0; HEADER_BYTES - 1]).is_err());
    }
}
