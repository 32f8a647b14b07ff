//! A Kubernetes node: a namespace with a NIC on the LAN, a pod bridge, and room for pods.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};

use super::addresses::{self, GATEWAY, pod_networks};
use super::lab::Lab;
use super::pod::{self, Pod, PodOptions};
use crate::netns::Netns;
use crate::objects::Objects;

/// Host numbers of pods that ask for none start here, above the gateway: room for 253 pods.
const FIRST_POD: u8 = GATEWAY + 1;

/// How to build a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeOptions {
    /// Transmit queues of its NIC.
    pub queues: u8,
    /// Whether it masquerades what its pods send to the internet, as most CNIs do. Needs `nft`.
    pub masquerade: Masquerade,
}

/// How a node translates what its pods send to the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Masquerade {
    /// It does not.
    #[default]
    Off,
    /// To its own address, with the port kept where it is free.
    Plain,
    /// To its own address and a random port, as kube-proxy and flannel do it (`--random-fully`).
    RandomPorts,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { queues: 1, masquerade: Masquerade::Off }
    }
}

/// A node. Its files (objects, agent state, bpffs) live in a folder of their own.
#[derive(Debug)]
pub struct Node {
    name: String,
    number: u8,
    queues: u8,
    ns: Netns,
    dir: PathBuf,
    prefix: String,
    objects: Objects,
    next_pod: AtomicU8,
}

impl Lab {
    /// Adds a node. `number` (from 1) decides its addresses.
    pub fn node(&self, number: u8, options: NodeOptions) -> Result<Node> {
        let name = format!("node{number}");
        let ns = self.netns(&name)?;
        ns.sysctl("net/ipv4/ip_forward", "1")?;
        ns.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let at = addresses::node(number);
        self.plug_in_node(&ns, number, options.queues)?;
        let mut lines = vec!["link add cni0 type bridge".to_owned(), "link set cni0 up".to_owned()];
        lines.extend(addresses::pod(number, GATEWAY).assign("cni0"));
        ns.ip(&lines)?;
        match options.masquerade {
            Masquerade::Off => {}
            Masquerade::Plain => masquerade(&ns, "")?,
            Masquerade::RandomPorts => masquerade(&ns, "fully-random")?,
        }
        let [pods_v4, pods_v6] = pod_networks(number);
        self.router()
            .ns()
            .ip(&[format!("route add {pods_v4} via {}", at.v4), format!("route add {pods_v6} via {}", at.v6)])?;

        let dir = self.dir().join(&name);
        let objects = Objects::in_dir(dir.join("objects"))?;
        let bpffs = dir.join("bpf");
        std::fs::create_dir_all(&bpffs).with_context(|| format!("cannot make {}", bpffs.display()))?;
        nix::mount::mount(Some("bpf"), &bpffs, Some("bpf"), nix::mount::MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount a bpffs at {}: root is needed", bpffs.display()))?;
        let next_pod = AtomicU8::new(FIRST_POD);
        let queues = options.queues;
        Ok(Node { name, number, queues, ns, dir, prefix: self.prefix().to_owned(), objects, next_pod })
    }
}

impl Lab {
    fn plug_in_node(&self, ns: &Netns, number: u8, queues: u8) -> Result<()> {
        let queues = format!("numtxqueues {queues} numrxqueues {queues}");
        self.plug_in(ns, "eth0", &queues, addresses::node(number))?;
        ns.ip(&addresses::lan(GATEWAY).as_default_gateway())
    }

    /// Takes a node's NIC away, with its addresses and routes.
    pub fn unplug(&self, node: &Node) -> Result<()> {
        node.ns.ip(&["link del eth0"])
    }

    /// Makes a node's NIC a port of a new bridge, which takes its addresses and routes.
    pub fn put_nic_on_a_bridge(&self, node: &Node, bridge: &str) -> Result<()> {
        let at = addresses::node(node.number);
        let mut lines = vec![
            format!("link add {bridge} type bridge"),
            format!("link set {bridge} up"),
            // Its routes go with it.
            "link set eth0 down".to_owned(),
            "addr flush dev eth0".to_owned(),
            format!("link set eth0 master {bridge}"),
            "link set eth0 up".to_owned(),
        ];
        lines.extend(at.assign(bridge));
        lines.extend(addresses::lan(GATEWAY).as_default_gateway());
        node.ns.ip(&lines)
    }

    /// Gives a node a new NIC, like the one that was taken away.
    pub fn plug_in_again(&self, node: &Node) -> Result<()> {
        self.plug_in_node(&node.ns, node.number, node.queues)
    }
}

/// Translates what pods send to the internet to the node's own address, v4 and v6.
fn masquerade(ns: &Netns, flags: &str) -> Result<()> {
    let rules = format!(
        "add table inet lab; \
         add chain inet lab out {{ type nat hook postrouting priority 100; }}; \
         add rule inet lab out oifname != \"pod*\" ip daddr 203.0.113.0/24 masquerade {flags}; \
         add rule inet lab out oifname != \"pod*\" ip6 daddr 2001:db8:ffff::/64 masquerade {flags}"
    );
    ns.run(&["nft", &rules]).context("masquerading needs nft and nf_tables with NAT")?;
    Ok(())
}

impl Node {
    /// The name of its Node object.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace: `eth0` is the NIC, `cni0` the bridge of bridged pods.
    #[must_use]
    pub fn ns(&self) -> &Netns {
        &self.ns
    }

    /// The folder for its files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of YAML objects that its agent reads.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Its IPv4 address on the LAN.
    #[must_use]
    pub fn v4(&self) -> IpAddr {
        addresses::node(self.number).v4.into()
    }

    /// Its IPv6 address on the LAN.
    #[must_use]
    pub fn v6(&self) -> IpAddr {
        addresses::node(self.number).v6.into()
    }

    /// Starts a pod: its namespace and its wiring, without an object.
    pub fn pod(&self, name: &str, options: PodOptions) -> Result<Pod> {
        let host = options.host_number.unwrap_or_else(|| self.next_pod.fetch_add(1, Ordering::Relaxed));
        let ns = Netns::create(format!("{}-{}-{name}", self.prefix, self.name))?;
        pod::wire(self, name, ns, self.number, host, options)
    }
}
