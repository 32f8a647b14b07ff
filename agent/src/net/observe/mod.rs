//! Reads the node's links, which of them lead to the internet and to which networks, and which addresses lie behind each
//! veth, into one [`Host`].
//!
//! No setns, no `/proc`, no CRI socket: `IFLA_LINK_NETNSID` says which namespace a veth leads into, and `RTM_GETADDR`
//! with `IFA_TARGET_NETNSID` lists the addresses there.

mod counters;
mod inside;
mod links;
mod routes;
mod senders;

use std::collections::BTreeMap;

use weir_core::host::Host;

pub use counters::LinkCounters;

use super::{Netlink, Result, channel::Channel};
use links::Seen;

impl Netlink {
    /// Reads links, the ways to the internet and the addresses behind veths. Cgroups and what blocks the hooks of an
    /// interface are left out of the result.
    ///
    /// A namespace that vanishes meanwhile, or that the agent may not look into, has no addresses; it is no error for the
    /// others.
    ///
    /// # Errors
    /// When something cannot be read, or keeps changing while it is being read.
    pub async fn observe(&self) -> Result<Host> {
        self.with(observe).await
    }
}

fn observe(channel: &mut Channel) -> Result<Host> {
    let mut seen = links::read(channel)?;
    let behind = inside::read(channel, seen.values().filter_map(|seen| seen.peer))?;
    for Seen { link, peer } in seen.values_mut() {
        link.namespace = peer.map(|peer| peer.nsid);
        link.inside = peer.and_then(|peer| behind.get(&peer).cloned()).unwrap_or_default();
    }
    let networks = inside::own_networks(channel)?.into_iter().chain(routes::advertised(channel)?);
    for (ifindex, network) in networks {
        if let Some(seen) = seen.get_mut(&ifindex) {
            seen.link.on_link.insert(network);
        }
    }
    let links: BTreeMap<_, _> = seen.into_iter().map(|(ifindex, seen)| (ifindex, seen.link)).collect();
    let mut host = Host { links, ..Host::default() };
    let senders = senders::senders(&host, &senders::rules(channel)?);
    host.default_routes = routes::public_interfaces(channel, &senders)?;
    Ok(host)
}
