//! Reads the node's links, which of them lead to the internet and to which networks, and which addresses lie behind each
//! veth, into one [`Host`].
//!
//! No setns, no `/proc`, no CRI socket: `IFLA_LINK_NETNSID` says which namespace a veth leads into, and `RTM_GETADDR`
//! with `IFA_TARGET_NETNSID` lists the addresses there.

mod counters;
mod inside;
mod links;
mod routes;

use std::collections::BTreeMap;

use weir_core::host::Host;

pub use counters::LinkCounters;

use super::{Netlink, Result, channel::Channel};
use links::Seen;
use routes::Sender;

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
    host.default_routes = routes::public_interfaces(channel, &senders(&host))?;
    Ok(host)
}

/// One pod of each address family whose way to the internet is looked up: rules may send what is forwarded elsewhere than
/// what the node sends itself.
fn senders(host: &Host) -> Vec<Sender> {
    let of_family = |is_v4: bool| {
        host.links.iter().find_map(|(&ifindex, link)| {
            let address = link.inside.iter().find(|address| address.is_ipv4() == is_v4 && !address.is_loopback())?;
            Some(Sender { ifindex: host.shared_master(ifindex).unwrap_or(ifindex), address: *address })
        })
    };
    [true, false].into_iter().filter_map(of_family).collect()
}
