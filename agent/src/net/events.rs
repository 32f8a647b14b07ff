//! "Something changed": links, addresses, wide routes, rules and qdiscs of the node, and addresses inside its pods.
//!
//! Two multicast sockets. The first hears the node's own namespace. The second hears changes of addresses in every
//! namespace that has an id here, which are those that veths lead into (`NETLINK_LISTEN_ALL_NSID`); it needs
//! `CAP_NET_BROADCAST`, and without it [`super::retry`] has to do.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use netlink_packet_core::NetlinkBuffer;
use netlink_packet_route::route::{RouteHeader, RouteProtocol};
use netlink_sys::{AsyncSocket, TokioSocket, protocols::NETLINK_ROUTE};
use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt::RcvBufForce},
};
use tokio::time::{Instant, sleep_until};

use super::{Error, Result, channel::split};

/// How long after the first change others are gathered into the same event.
pub const COALESCE: Duration = Duration::from_millis(5);

const BUFFER_BYTES: usize = 64 * 1024;
/// Room for a burst of changes (250 pods at once) before the kernel has to drop some.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Multicast groups (`linux/rtnetlink.h`).
mod group {
    pub(super) const LINK: u32 = 1;
    pub(super) const TC: u32 = 4;
    pub(super) const IPV4_IFADDR: u32 = 5;
    pub(super) const IPV4_ROUTE: u32 = 7;
    pub(super) const IPV4_RULE: u32 = 8;
    pub(super) const IPV6_IFADDR: u32 = 9;
    pub(super) const IPV6_ROUTE: u32 = 11;
    pub(super) const IPV6_RULE: u32 = 19;
}

/// Message types (`linux/rtnetlink.h`).
mod rtm {
    pub(super) const NEWLINK: u16 = 16;
    pub(super) const DELLINK: u16 = 17;
    pub(super) const NEWADDR: u16 = 20;
    pub(super) const DELADDR: u16 = 21;
    pub(super) const NEWROUTE: u16 = 24;
    pub(super) const DELROUTE: u16 = 25;
    pub(super) const NEWRULE: u16 = 32;
    pub(super) const DELRULE: u16 = 33;
    pub(super) const NEWQDISC: u16 = 36;
    pub(super) const DELQDISC: u16 = 37;
    pub(super) const NEWTFILTER: u16 = 44;
    pub(super) const DELTFILTER: u16 = 45;
}

/// Why to observe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Something that may matter changed.
    Changed,
    /// Changes were lost, because more came than the socket holds (`ENOBUFS`): everything may be different.
    Overrun,
}

/// A stream of [`Event`]s of the namespace in which it was opened.
pub struct Events {
    node: TokioSocket,
    pods: Option<TokioSocket>,
    buffer: Vec<u8>,
    /// What was read and not yet returned, and when to return it.
    gathered: Option<(Event, Instant)>,
}

impl Events {
    /// Subscribes in the network namespace of the calling thread. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open() -> Result<Self> {
        use group::{IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE, LINK, TC};
        let groups = [LINK, TC, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE];
        let node = subscribe(&groups)?;
        let pods = subscribe(&[IPV4_IFADDR, IPV6_IFADDR])?;
        let pods = match pods.socket_ref().set_listen_all_namespaces(true) {
            Ok(()) => Some(pods),
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => None,
            Err(source) => return Err(Error::Open { doing: "NETLINK_LISTEN_ALL_NSID", source }),
        };
        Ok(Self { node, pods, buffer: Vec::with_capacity(BUFFER_BYTES), gathered: None })
    }

    /// Whether changes of addresses inside pods are heard. If not, the agent lacks `CAP_NET_BROADCAST`.
    #[must_use]
    pub fn hears_pods(&self) -> bool {
        self.pods.is_some()
    }

    /// Waits for a change, gathers what follows within [`COALESCE`], and returns the worst of it.
    ///
    /// Cancel safe: a change that was gathered is returned by the next call.
    ///
    /// # Errors
    /// [`Error::Socket`], when the socket fails in another way than by an overrun.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            let Some((worst, end)) = self.gathered else {
                self.gathered = Some((self.one().await?, Instant::now() + COALESCE));
                continue;
            };
            tokio::select! {
                biased;
                () = sleep_until(end) => {
                    self.gathered = None;
                    return Ok(worst);
                }
                event = self.one() => self.gathered = Some((worst.max(event?), end)),
            }
        }
    }

    /// The next change that matters.
    async fn one(&mut self) -> Result<Event> {
        let Self { node, pods, buffer, .. } = self;
        poll_fn(|context| {
            for socket in std::iter::once(&*node).chain(pods.as_ref()) {
                loop {
                    buffer.clear();
                    match socket.poll_recv(context, buffer) {
                        Poll::Pending => break,
                        Poll::Ready(Ok(())) if matters(buffer) => return Poll::Ready(Ok(Event::Changed)),
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(judge(error)),
                    }
                }
            }
            Poll::Pending
        })
        .await
    }
}

fn subscribe(groups: &[u32]) -> Result<TokioSocket> {
    let step = |doing| move |source| Error::Open { doing, source };
    let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(step("socket"))?;
    socket.socket_mut().bind_auto().map_err(step("bind"))?;
    for &group in groups {
        socket.socket_mut().add_membership(group).map_err(step("NETLINK_ADD_MEMBERSHIP"))?;
    }
    // Needs CAP_NET_ADMIN; with the smaller default buffer an overrun comes sooner, and is noticed.
    let _ = setsockopt(socket.socket_ref(), RcvBufForce, &RECEIVE_BUFFER_BYTES);
    Ok(socket)
}

fn judge(error: io::Error) -> Result<Event> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOBUFS) => Ok(Event::Overrun),
        _ => Err(Error::Socket { action: "listen for changes".to_owned(), source: error }),
    }
}

/// Whether any message of a datagram may change what is observed. What cannot be read counts as a change.
fn matters(datagram: &[u8]) -> bool {
    split(datagram).any(|message| message.map_or(true, |message| message_matters(&message)))
}

/// `RT_TABLE_LOCAL` (`linux/rtnetlink.h`).
const TABLE_LOCAL: u8 = 255;
/// Longest prefix of a route that may lead to the internet (see `observe::routes`).
const LONGEST_WIDE_PREFIX: u8 = 12;

/// A node with a routing daemon changes routes all the time; only those to much of the internet say where the uplink is,
/// in whichever table, and advertised ones what is on its link.
fn message_matters(message: &NetlinkBuffer<&[u8]>) -> bool {
    match message.message_type() {
        rtm::NEWLINK
        | rtm::DELLINK
        | rtm::NEWADDR
        | rtm::DELADDR
        | rtm::NEWQDISC
        | rtm::DELQDISC
        | rtm::NEWTFILTER
        | rtm::DELTFILTER
        | rtm::NEWRULE
        | rtm::DELRULE => true,
        rtm::NEWROUTE | rtm::DELROUTE => RouteHeader::parse(message.payload()).map_or(true, |route| {
            let is_wide = route.destination_prefix_length <= LONGEST_WIDE_PREFIX;
            (is_wide && route.table != TABLE_LOCAL) || route.protocol == RouteProtocol::Ra
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWNEIGH: u16 = 28;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).expect("short");
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], payload].concat()
    }

    fn route(prefix: u8, table: u8) -> Vec<u8> {
        message(rtm::NEWROUTE, &[2, prefix, 0, 0, table, 3, 0, 1, 0, 0, 0, 0])
    }

    #[test]
    fn routes_to_much_of_the_internet_matter_in_any_table() {
        const OF_A_VPN: u8 = 52;
        assert!(matters(&route(0, RouteHeader::RT_TABLE_MAIN)));
        assert!(matters(&route(1, OF_A_VPN)));
        assert!(matters(&message(rtm::NEWRULE, &[0; 12])));
        assert!(!matters(&route(24, RouteHeader::RT_TABLE_MAIN)));
        assert!(!matters(&route(0, TABLE_LOCAL)));
    }

    #[test]
    fn one_change_that_matters_is_enough() {
        let neighbour = message(NEWNEIGH, &[0; 12]);
        assert!(!matters(&neighbour));
        assert!(matters(&[neighbour, message(rtm::DELLINK, &[0; 16])].concat()));
    }

    #[test]
    fn what_cannot_be_read_counts() {
        assert!(matters(&[1, 2, 3]));
        assert!(matters(&message(rtm::NEWROUTE, &[2, 0])));
    }

    #[test]
    fn lost_changes_are_no_failure_but_other_errors_are() {
        assert_eq!(judge(Errno::ENOBUFS.into()).expect("goes on"), Event::Overrun);
        assert!(judge(Errno::EBADF.into()).is_err());
    }
}
