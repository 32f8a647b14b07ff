//! The scarce link: the router's way out, and the host behind it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};

use super::addresses::{self, FIRST_PEER, GATEWAY, INTERNET_HOST};
use crate::counters::{QdiscStats, qdiscs};
use crate::netns::Netns;

/// Ethernet frame of a full packet: what one place in the buffer is taken to hold.
const FULL_FRAME_BYTES: u64 = 1514;
/// Packets that the delay line may hold: never the limit of anything measured.
const DELAY_LINE_PACKETS: u32 = 100_000;

/// The link that everybody shares.
#[derive(Debug, Clone, Copy)]
pub struct Bottleneck {
    /// What it carries, in bits per second of Ethernet frames.
    pub rate_bits: u64,
    /// The round-trip time of an idle path.
    pub round_trip: Duration,
    /// How long a full packet waits when the buffer before the link is full.
    pub buffer: Duration,
}

impl Default for Bottleneck {
    /// 20 Mbit/s, 20 ms, and a buffer of 250 ms: a home uplink as it is sold.
    fn default() -> Self {
        Self { rate_bits: 20_000_000, round_trip: Duration::from_millis(20), buffer: Duration::from_millis(250) }
    }
}

impl Bottleneck {
    /// The buffer in packets. netem counts packets, not bytes.
    #[must_use]
    pub fn buffer_packets(&self) -> u64 {
        let millis = u64::try_from(self.buffer.as_millis()).unwrap_or(u64::MAX);
        (self.rate_bits / 8).saturating_mul(millis) / 1000 / FULL_FRAME_BYTES
    }
}

/// Forwards between the LAN and the internet; its `wan` interface is the bottleneck.
#[derive(Debug)]
pub struct Router {
    pub(crate) ns: Netns,
}

/// The host behind the uplink.
#[derive(Debug)]
pub struct Internet {
    pub(crate) ns: Netns,
}

impl Router {
    /// The router's namespace: `lan0` towards the nodes, `wan` towards the internet.
    #[must_use]
    pub fn ns(&self) -> &Netns {
        &self.ns
    }

    /// Its IPv4 address on the LAN: the nodes' default gateway.
    #[must_use]
    pub fn lan_address(&self) -> IpAddr {
        addresses::lan(GATEWAY).v4.into()
    }

    /// Its IPv6 address on the LAN.
    #[must_use]
    pub fn lan_v6(&self) -> IpAddr {
        addresses::lan(GATEWAY).v6.into()
    }

    /// Puts the deep, dumb buffer before the link (again).
    ///
    /// # Errors
    /// If the kernel has no netem: then the lab must run in the VM.
    pub fn set_dumb_buffer(&self, link: &Bottleneck) -> Result<()> {
        let netem =
            format!("qdisc replace dev wan root netem rate {}bit limit {}", link.rate_bits, link.buffer_packets());
        self.ns.tc(&[netem]).context("a bottleneck needs a kernel with sch_netem")
    }

    /// Puts CAKE before the link, with four classes by DSCP: the best that a router can do.
    pub fn set_cake(&self, link: &Bottleneck) -> Result<()> {
        let rate = link.rate_bits;
        self.ns.tc(&[format!("qdisc replace dev wan root cake bandwidth {rate}bit diffserv4 raw")])
    }

    /// The counters of what stands before the link.
    pub fn bottleneck_stats(&self) -> Result<QdiscStats> {
        let all = qdiscs(&self.ns, "wan")?;
        all.into_iter().find(|qdisc| qdisc.root).context("the router's wan has no root qdisc")
    }
}

impl Internet {
    /// Its namespace; the interface is `eth0`.
    #[must_use]
    pub fn ns(&self) -> &Netns {
        &self.ns
    }

    /// Its IPv4 address, 203.0.113.10.
    #[must_use]
    pub fn v4(&self) -> IpAddr {
        addresses::internet(INTERNET_HOST).v4.into()
    }

    /// Its IPv6 address, `2001:db8:ffff::a`.
    #[must_use]
    pub fn v6(&self) -> IpAddr {
        addresses::internet(INTERNET_HOST).v6.into()
    }

    /// Gives the host `count` further IPv4 addresses, as if there were so many hosts, and returns them.
    ///
    /// # Errors
    /// If there are more than 153, for which the network has no room.
    pub fn add_peers(&self, count: u8) -> Result<Vec<IpAddr>> {
        let last = FIRST_PEER.checked_add(count).filter(|&end| end < u8::MAX);
        let end = last.with_context(|| format!("{count} peers are too many: 153 have an address"))?;
        let peers: Vec<IpAddr> = (FIRST_PEER..end).map(|host| addresses::internet(host).v4.into()).collect();
        self.ns.ip(&peers.iter().map(|address| format!("addr add {address}/24 dev eth0")).collect::<Vec<_>>())?;
        Ok(peers)
    }

    /// A port at its IPv4 address.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.v4(), port).into()
    }

    /// A port at its IPv6 address.
    #[must_use]
    pub fn at_v6(&self, port: u16) -> SocketAddr {
        (self.v6(), port).into()
    }
}

/// Builds the router's outer side and the host behind it.
pub(super) fn build(gateway: Netns, beyond: Netns, link: Option<&Bottleneck>) -> Result<(Router, Internet)> {
    gateway.sysctl("net/ipv4/ip_forward", "1")?;
    gateway.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    let mut lines = vec![format!("link add wan type veth peer name eth0 netns {}", beyond.name())];
    lines.extend(addresses::internet(GATEWAY).assign("wan"));
    lines.push("link set wan up".to_owned());
    gateway.ip(&lines)?;

    // A wire carries frames, not the kernel's 64 kB aggregates: split them as they leave.
    let mut lines = vec!["link set eth0 up gso_max_segs 1".to_owned()];
    lines.extend(addresses::internet(INTERNET_HOST).assign("eth0"));
    lines.extend(addresses::internet(GATEWAY).as_default_gateway());
    beyond.ip(&lines)?;

    let (router, internet) = (Router { ns: gateway }, Internet { ns: beyond });
    if let Some(link) = link {
        router.set_dumb_buffer(link)?;
        let delay = link.round_trip.as_micros();
        internet.ns.tc(&[format!("qdisc add dev eth0 root netem delay {delay}us limit {DELAY_LINE_PACKETS}")])?;
    }
    Ok((router, internet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_holds_a_quarter_second() {
        assert_eq!(Bottleneck::default().buffer_packets(), 412);
    }
}
