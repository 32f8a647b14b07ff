//! `Uplink`: capacity, headroom, interface and exempt networks.

use std::net::IpAddr;

use ipnet::IpNet;
use weir_core::model::{self, InterfaceChoice, Overhead, WHOLE, rate};

use super::{Converted, Errors, FieldPath, field::Collector, meta::cluster_scoped_name, selector::selector};
use crate::objects::{DEFAULT_EXEMPT, DEFAULT_HEADROOM, LineOverhead, LinkLayer, Scope, Uplink, UplinkInterface};

/// The most that `headroom` may be, in percent: with more of the link kept free than used, it is the capacity that is wrong.
const MAX_HEADROOM_PERCENT: u32 = 50;

/// What a packet takes beside itself where nothing else is said: the Ethernet header.
const DEFAULT_OVERHEAD_BYTES: i32 = 14;
/// The least that `overhead.bytes` may be, as in CAKE.
const MIN_OVERHEAD_BYTES: i16 = -64;
/// The most that `overhead.bytes` and `overhead.minimumPacket` may be, as in CAKE.
const MAX_OVERHEAD_BYTES: i16 = 256;

/// The longest interface name that Linux has (`IFNAMSIZ` with its terminating zero is 16).
const LONGEST_INTERFACE_NAME: usize = 15;

/// Reads an uplink.
pub fn uplink(resource: &Uplink) -> Result<Converted<String, model::Uplink>, Errors> {
    let mut errors = Collector::default();
    let name = cluster_scoped_name("Uplink", &resource.metadata, &mut errors);
    let path = FieldPath::of(&["spec"]);
    let spec = &resource.spec;
    let capacity = errors.take(&path.key("capacity"), rate::parse(&spec.capacity.0));
    if spec.scope == Scope::Cluster {
        let message =
            "Cluster is not supported yet by this version; write Node, with this node's share as the capacity";
        errors.add(path.key("scope"), message);
    }
    let written = spec.headroom.as_ref().map_or(DEFAULT_HEADROOM, |headroom| &headroom.0);
    let headroom = errors.take(&path.key("headroom"), percentage(written));
    let exempt = exempt(spec.exempt.as_deref(), &path.key("exempt"), &mut errors);
    let overhead = spec.overhead.as_ref().and_then(|line| overhead(line, &path.key("overhead"), &mut errors));
    let (interface, nodes) = interface(&spec.interface, &path.key("interface"), &mut errors);
    let uplink = (|| {
        let object = model::Uplink {
            capacity: capacity?,
            headroom: headroom?,
            interface,
            nodes,
            exempt,
            exempt_on_link: spec.exempt_on_link.unwrap_or(true),
            overhead,
            generation: resource.metadata.generation.unwrap_or(0),
            location: None,
        };
        Some(Converted { name: name?, object, ignored: Vec::new() })
    })();
    if let Some(uplink) = &uplink
        && uplink.object.rate() < weir_common::units::MIN_RATE
    {
        let message = format!("less {written} headroom it is {} bit/s; at least 1k must be left", uplink.object.rate());
        errors.add(path.key("capacity"), message);
    }
    errors.finish(uplink)
}

fn interface(choice: &UplinkInterface, path: &FieldPath, errors: &mut Collector) -> (InterfaceChoice, model::Selector) {
    let nodes = choice.node_selector.as_ref().map(|nodes| selector(nodes, &path.key("nodeSelector"), errors));
    let interface = choice.name.as_ref().map_or(InterfaceChoice::DefaultRoute, |name| {
        // dev_valid_name() in net/core/dev.c.
        let printable = name.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"/:".contains(c));
        if name.is_empty() || name.len() > LONGEST_INTERFACE_NAME || !printable || name == "." || name == ".." {
            let message = format!(
                "{name:?} is no interface name; write one such as eth0, or leave it out for the default route's interface"
            );
            errors.add(path.key("name"), message);
        }
        InterfaceChoice::Named(name.clone())
    });
    (interface, nodes.unwrap_or_default())
}

fn overhead(line: &LineOverhead, path: &FieldPath, errors: &mut Collector) -> Option<Overhead> {
    let mut read = |key: &str, value: i32, least: i16| {
        let found = i16::try_from(value).ok().filter(|value| (least..=MAX_OVERHEAD_BYTES).contains(value));
        let outside = || format!("{value} is no number of bytes from {least} to {MAX_OVERHEAD_BYTES}");
        errors.take(&path.key(key), found.ok_or_else(outside))
    };
    let bytes = read("bytes", line.bytes.unwrap_or(DEFAULT_OVERHEAD_BYTES), MIN_OVERHEAD_BYTES);
    let minimum_packet = read("minimumPacket", line.minimum_packet, 0).and_then(|bytes| u16::try_from(bytes).ok());
    let link_layer = match line.link_layer {
        LinkLayer::Ethernet => model::LinkLayer::Ethernet,
        LinkLayer::Ptm => model::LinkLayer::Ptm,
        LinkLayer::Atm => model::LinkLayer::Atm,
    };
    Some(Overhead { bytes: bytes?, link_layer, minimum_packet: minimum_packet? })
}

fn exempt(written: Option<&[String]>, path: &FieldPath, errors: &mut Collector) -> Vec<IpNet> {
    let Some(written) = written else {
        return DEFAULT_EXEMPT.iter().filter_map(|text| text.parse().ok()).collect();
    };
    let read = |(index, text): (usize, &String)| errors.take(&path.index(index), network(text));
    written.iter().enumerate().filter_map(read).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(format!("\"{text}\" has no prefix length; write {}", IpNet::from(address)));
    }
    let network: IpNet = text.parse().map_err(|_| {
        format!("{text:?} is no network; write an address and a prefix length such as 10.0.0.0/8 or fd00::/8")
    })?;
    if network != network.trunc() {
        return Err(format!("\"{text}\" has address bits beyond its prefix; write {}", network.trunc()));
    }
    Ok(network)
}

/// Reads a percentage as a part of [`WHOLE`].
fn percentage(text: &str) -> Result<u32, String> {
    let per_percent = WHOLE / 100;
    let read = || {
        let (whole, fraction) = text.strip_suffix('%')?.split_once('.').unwrap_or((text.strip_suffix('%')?, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 2)?;
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let fraction = fraction.parse::<u32>().ok()? * (per_percent / 10u32.pow(places));
        whole.parse::<u32>().ok()?.checked_mul(per_percent)?.checked_add(fraction)
    };
    read().filter(|part| *part <= MAX_HEADROOM_PERCENT * per_percent).ok_or_else(|| {
        format!("{text:?} is not a percentage from 0% to {MAX_HEADROOM_PERCENT}%; write one such as 3% or 2.5%")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_exactly() {
        let table =
            [("3%", 300), ("0%", 0), ("2.5%", 250), ("0.01%", 1), ("12.34%", 1234), ("50%", 5000), ("50.00%", 5000)];
        for (text, part) in table {
            assert_eq!(percentage(text), Ok(part), "{text}");
        }
        for text in [
            "",
            "%",
            "3",
            "-3%",
            "+3%",
            "50.01%",
            "100%",
            "2.345%",
            "2.%",
            ".5%",
            "99999999999%",
            "3 %",
            "3%%",
            "2.+5%",
        ] {
            assert!(percentage(text).unwrap_err().contains("such as 3%"), "{text}");
        }
    }

    #[test]
    fn every_default_network_is_one() {
        let mut errors = Collector::default();
        assert_eq!(exempt(None, &FieldPath::default(), &mut errors).len(), DEFAULT_EXEMPT.len());
        for text in DEFAULT_EXEMPT {
            assert!(network(text).is_ok(), "{text}");
        }
        assert!(percentage(DEFAULT_HEADROOM).is_ok());
    }
}
