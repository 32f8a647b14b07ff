//! Reads the node's links and default routes, and which addresses lie behind each veth, into one [`Host`].
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

impl Netlink {
    /// Reads links, default routes and the addresses behind veths. `cgroups` of the result is empty.
    ///
    /// One dump for all links, two for routes, one per namespace that a veth leads into. A namespace that vanishes
    /// meanwhile, or that the agent may not look into, has no addresses; it is no error for the others.
    ///
    /// # Errors
    /// When links or routes cannot be read, or keep changing while they are being read.
    pub async fn observe(&self) -> Result<Host> {
        self.with(observe).await
    }
}

fn observe(channel: &mut Channel) -> Result<Host> {
    let mut seen = links::read(channel)?;
    let default_routes = routes::default_interfaces(channel)?;
    let behind = inside::read(channel, seen.values().filter_map(|seen| seen.peer))?;
    for Seen { link, peer } in seen.values_mut() {
        link.inside = peer.and_then(|peer| behind.get(&peer).cloned()).unwrap_or_default();
    }
    let links: BTreeMap<_, _> = seen.into_iter().map(|(ifindex, seen)| (ifindex, seen.link)).collect();
    Ok(Host { links, default_routes, cgroups: BTreeMap::new() })
}
