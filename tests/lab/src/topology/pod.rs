//! A pod: a namespace behind a veth, wired as the common CNI plugins do it.

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use super::addresses::{self, Family, GATEWAY, Pair};
use super::node::Node;
use crate::counters::Counters;
use crate::netns::{Netns, NetnsHandle};

static NEXT_UID: AtomicU32 = AtomicU32::new(1);

/// How the node's end of a pod's veth reaches the rest of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wiring {
    /// A host route to the pod's address, and a gateway that every pod shares (Calico, Cilium).
    #[default]
    Routed,
    /// A port of the Linux bridge `cni0` (CNI bridge, flannel).
    Bridged,
}

/// How to build a pod.
#[derive(Debug, Clone, Copy, Default)]
pub struct PodOptions {
    /// How it is wired.
    pub wiring: Wiring,
    /// Which protocols it speaks.
    pub family: Family,
    /// The last part of its addresses; none takes the node's next free one.
    pub host_number: Option<u8>,
}

impl PodOptions {
    /// Both protocols on the Linux bridge.
    #[must_use]
    pub fn bridged() -> Self {
        Self { wiring: Wiring::Bridged, ..Self::default() }
    }
}

/// A running pod. Dropping it removes its veth at once, and its namespace.
#[derive(Debug)]
pub struct Pod {
    name: String,
    uid: String,
    ns: Netns,
    node: String,
    node_ns: NetnsHandle,
    host_interface: String,
    addresses: Pair,
    family: Family,
}

pub(super) fn wire(node: &Node, name: &str, ns: Netns, node_number: u8, host: u8, options: PodOptions) -> Result<Pod> {
    let addresses = addresses::pod(node_number, host);
    let host_interface = format!("pod{host}");
    let families: Vec<IpAddr> = addresses.of(options.family);
    node.ns().ip(&[format!("link add {host_interface} type veth peer name eth0 netns {}", ns.name())])?;
    match options.wiring {
        Wiring::Routed => routed(node.ns(), &ns, &host_interface, &families)?,
        Wiring::Bridged => bridged(node.ns(), &ns, &host_interface, &families, node_number)?,
    }
    Ok(Pod {
        name: name.to_owned(),
        uid: format!("00000000-0000-4000-8000-{:012x}", NEXT_UID.fetch_add(1, Ordering::Relaxed)),
        ns,
        node: node.name().to_owned(),
        node_ns: node.ns().handle(),
        host_interface,
        addresses,
        family: options.family,
    })
}

/// Calico's way: /32 and /128, a link-local gateway, proxy ARP on the node's end.
fn routed(node: &Netns, pod: &Netns, host_interface: &str, families: &[IpAddr]) -> Result<()> {
    let mut outside = vec![
        format!("link set {host_interface} up"),
        format!("addr add fe80::ecee:eeff:feee:eeee/64 dev {host_interface} nodad"),
    ];
    let mut inside = vec!["link set eth0 up".to_owned()];
    for address in families {
        let (bits, gateway) = match address {
            IpAddr::V4(_) => (32, "169.254.1.1"),
            IpAddr::V6(_) => (128, "fe80::ecee:eeff:feee:eeee"),
        };
        let no_dad = if address.is_ipv6() { "nodad" } else { "" };
        outside.push(format!("route add {address}/{bits} dev {host_interface}"));
        inside.push(format!("addr add {address}/{bits} dev eth0 {no_dad}"));
        inside.push(format!("route add default via {gateway} dev eth0 onlink"));
    }
    node.ip(&outside)?;
    node.sysctl(&format!("net/ipv4/conf/{host_interface}/proxy_arp"), "1")?;
    // Without it the kernel waits up to 0.8 s before it answers for somebody else.
    node.sysctl(&format!("net/ipv4/neigh/{host_interface}/proxy_delay"), "0")?;
    pod.ip(&inside)
}

fn bridged(node: &Netns, pod: &Netns, host_interface: &str, families: &[IpAddr], number: u8) -> Result<()> {
    node.ip(&[format!("link set {host_interface} up master cni0")])?;
    let gateway = addresses::pod(number, GATEWAY);
    let mut inside = vec!["link set eth0 up".to_owned()];
    for address in families {
        match address {
            IpAddr::V4(_) => {
                inside.push(format!("addr add {address}/24 dev eth0"));
                inside.push(format!("route add default via {}", gateway.v4));
            }
            IpAddr::V6(_) => {
                inside.push(format!("addr add {address}/64 dev eth0 nodad"));
                inside.push(format!("route add default via {}", gateway.v6));
            }
        }
    }
    pod.ip(&inside)
}

impl Pod {
    /// Its name; the namespace of its object is `default`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The uid of its object: a new one for every pod that was ever started.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The node that it runs on.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its namespace; the interface is `eth0`.
    #[must_use]
    pub fn ns(&self) -> &Netns {
        &self.ns
    }

    /// The node's end of its veth.
    #[must_use]
    pub fn host_interface(&self) -> &str {
        &self.host_interface
    }

    /// Its addresses, IPv4 first.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.of(self.family)
    }

    /// The counters of its own `eth0`: what it sent is `tx`.
    pub fn counters(&self) -> Result<Counters> {
        Counters::read(&self.ns, "eth0")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // A namespace's interfaces go some time after its name does; the veth's name must be free at once.
        let (handle, interface) = (self.node_ns.clone(), self.host_interface.clone());
        let gone = handle.thread(move || {
            Command::new("ip").args(["link", "del", &interface]).output()?;
            Ok(())
        });
        let _ = gone.join();
    }
}
