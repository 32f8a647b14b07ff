//! The interfaces' own counters, by which a pod is counted from its beginning.

use std::collections::BTreeMap;
use std::iter::Sum;

use netlink_packet_core::{DecodeError, ErrorContext, NlasIterator, parse_u32, parse_u64};
use netlink_packet_route::{RouteNetlinkMessage, link::LinkMessage};
use nix::errno::Errno;

use crate::net::{Error, Netlink, Result, channel::Channel};

/// `struct ifinfomsg` (`linux/rtnetlink.h`).
const HEADER_BYTES: usize = 16;
/// `IFLA_STATS64`: `struct rtnl_link_stats64` begins with the four counters below (`linux/if_link.h`).
const IFLA_STATS64: u16 = 23;

/// What an interface has received and sent since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received, with Ethernet headers.
    pub rx_bytes: u64,
    /// Bytes sent, with Ethernet headers.
    pub tx_bytes: u64,
}

impl Sum for LinkCounters {
    fn sum<I: Iterator<Item = Self>>(interfaces: I) -> Self {
        interfaces.fold(Self::default(), |sum, one| Self {
            rx_packets: sum.rx_packets + one.rx_packets,
            tx_packets: sum.tx_packets + one.tx_packets,
            rx_bytes: sum.rx_bytes + one.rx_bytes,
            tx_bytes: sum.tx_bytes + one.tx_bytes,
        })
    }
}

impl Netlink {
    /// Reads the counters of every interface by ifindex, in one dump.
    ///
    /// # Errors
    /// When the kernel refuses, or the links keep changing meanwhile.
    pub async fn link_counters(&self) -> Result<BTreeMap<u32, LinkCounters>> {
        self.with(read).await
    }

    /// Reads the counters of one interface, on this thread: the question takes microseconds, a change of threads more, and
    /// packets pass meanwhile. None if it has gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn counters_of(&self, ifindex: u32) -> Result<Option<LinkCounters>> {
        self.here(|channel| {
            let mut request = LinkMessage::default();
            request.header.index = ifindex;
            let action = format!("read the counters of interface {ifindex}");
            match channel.get(&action, RouteNetlinkMessage::GetLink(request), parse) {
                Ok(found) => Ok(found.map(|(_, counters)| counters)),
                Err(Error::Kernel { errno: Errno::ENODEV, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}

fn read(channel: &mut Channel) -> Result<BTreeMap<u32, LinkCounters>> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    Ok(channel.dump("read the links' counters", &request, parse)?.into_iter().collect())
}

fn parse(payload: &[u8]) -> std::result::Result<Option<(u32, LinkCounters)>, DecodeError> {
    if payload.len() < HEADER_BYTES {
        return Err(DecodeError::buffer_too_small(payload.len(), HEADER_BYTES));
    }
    let ifindex = parse_u32(&payload[4..8])?;
    for attribute in NlasIterator::new(&payload[HEADER_BYTES..]) {
        let attribute = attribute.with_context(|| format!("link {ifindex}"))?;
        let value = attribute.value();
        if attribute.kind() == IFLA_STATS64 && value.len() >= 32 {
            let counters = LinkCounters {
                rx_packets: parse_u64(&value[0..8])?,
                tx_packets: parse_u64(&value[8..16])?,
                rx_bytes: parse_u64(&value[16..24])?,
                tx_bytes: parse_u64(&value[24..32])?,
            };
            return Ok(Some((ifindex, counters)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_counters_are_read_in_their_order() {
        let numbers: Vec<u8> = [1u64, 2, 3, 4, 5].iter().flat_map(|number| number.to_ne_bytes()).collect();
        let header = [&[0, 0, 1, 0][..], &9_u32.to_ne_bytes(), &[0; 8]].concat();
        let attribute = [&44_u16.to_ne_bytes()[..], &IFLA_STATS64.to_ne_bytes(), &numbers].concat();
        let expected = LinkCounters { rx_packets: 1, tx_packets: 2, rx_bytes: 3, tx_bytes: 4 };
        assert_eq!(parse(&[header.clone(), attribute].concat()).expect("well-formed"), Some((9, expected)));
        assert_eq!(parse(&header).expect("well-formed"), None);
    }
}
