//! The lab as a whole: LAN, router, internet, and where nodes and clients plug in.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};

use super::addresses::{self, GATEWAY};
use super::uplink::{self, Bottleneck, Internet, Router};
use crate::names;
use crate::netns::Netns;

/// Client host numbers on the LAN start here, above the nodes.
const FIRST_CLIENT: u8 = 101;

/// How to build a lab.
#[derive(Debug, Clone, Copy)]
pub struct LabOptions {
    /// The scarce link. None leaves the way out as fast as the machine, for kernels without netem.
    pub bottleneck: Option<Bottleneck>,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self { bottleneck: Some(Bottleneck::default()) }
    }
}

/// A LAN with a router and the internet behind it. Everything it made goes when it is dropped.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    lan: Netns,
    router: Router,
    internet: Internet,
    next_port: AtomicU8,
    dir: Folder,
}

/// The lab's folder. The last of its fields to be dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        names::remove_dir(&self.0);
    }
}

/// A host on the LAN that is no node.
#[derive(Debug)]
pub struct Client {
    ns: Netns,
    addresses: addresses::Pair,
}

impl Client {
    /// Its namespace; the interface is `eth0`.
    #[must_use]
    pub fn ns(&self) -> &Netns {
        &self.ns
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn v4(&self) -> IpAddr {
        self.addresses.v4.into()
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn v6(&self) -> IpAddr {
        self.addresses.v6.into()
    }
}

/// The machine that the lab runs on, as a node on its LAN. Dropping it takes the NIC away.
#[derive(Debug)]
pub struct Machine {
    ns: Netns,
    interface: String,
    addresses: addresses::Pair,
}

impl Machine {
    /// Its namespace.
    #[must_use]
    pub fn ns(&self) -> &Netns {
        &self.ns
    }

    /// Its NIC on the LAN.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Its IPv4 address on the LAN.
    #[must_use]
    pub fn v4(&self) -> IpAddr {
        self.addresses.v4.into()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.ns.ip(&[format!("link del {}", self.interface)]);
    }
}

impl Lab {
    /// Builds the LAN, the router and the internet, after sweeping up what dead processes left.
    pub fn new(options: LabOptions) -> Result<Self> {
        names::sweep();
        let prefix = names::lab_prefix();
        let dir = Folder(names::lab_dir(&prefix));
        std::fs::create_dir_all(&dir.0).with_context(|| format!("cannot make {}", dir.0.display()))?;
        let netns = |name: &str| Netns::create(format!("{prefix}-{name}"));

        let lan = netns("lan")?;
        lan.ip(&["link add br0 type bridge", "link set br0 up"])?;
        let (router, internet) = uplink::build(netns("router")?, netns("inet")?, options.bottleneck.as_ref())?;
        let lab = Self { prefix, lan, router, internet, next_port: AtomicU8::new(1), dir };
        lab.plug_in(lab.router.ns(), "lan0", "", addresses::lan(GATEWAY))?;
        Ok(lab)
    }

    /// The router.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The host behind the uplink.
    #[must_use]
    pub fn internet(&self) -> &Internet {
        &self.internet
    }

    /// The LAN switch's namespace; `br0` is the bridge.
    #[must_use]
    pub fn lan(&self) -> &Netns {
        &self.lan
    }

    /// Adds a client to the LAN.
    pub fn client(&self, name: &str) -> Result<Client> {
        let ns = self.netns(name)?;
        let number = self.next_port.load(Ordering::Relaxed);
        let addresses = addresses::lan(FIRST_CLIENT + number);
        self.plug_in(&ns, "eth0", "", addresses)?;
        ns.ip(&addresses::lan(GATEWAY).as_default_gateway())?;
        Ok(Client { ns, addresses })
    }

    /// Makes this machine itself a node: the namespace that this process was started in gets a NIC on the LAN
    /// with this name, and its default route leads to the router. `number` (from 1) decides its addresses.
    ///
    /// Only for machines that have no other way out, such as a VM.
    pub fn plug_in_this_machine(&self, interface: &str, number: u8) -> Result<Machine> {
        let (ns, addresses) = (Netns::of_this_process()?, addresses::node(number));
        self.plug_in(&ns, interface, "", addresses)?;
        ns.ip(&addresses::lan(GATEWAY).as_default_gateway())?;
        Ok(Machine { ns, interface: interface.to_owned(), addresses })
    }

    /// An IPv4 address on the LAN that nobody has.
    #[must_use]
    pub fn free_address(&self) -> IpAddr {
        addresses::lan(FIRST_CLIENT + self.next_port.fetch_add(1, Ordering::Relaxed)).v4.into()
    }

    pub(crate) fn netns(&self, name: &str) -> Result<Netns> {
        Netns::create(format!("{}-{name}", self.prefix))
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir.0
    }

    /// Connects a namespace to the switch. `options` are those of `ip link add`, such as queue counts.
    pub(crate) fn plug_in(&self, ns: &Netns, interface: &str, options: &str, at: addresses::Pair) -> Result<()> {
        let port = format!("p{}", self.next_port.fetch_add(1, Ordering::Relaxed));
        let mut lines =
            vec![format!("link add {interface} {options} type veth peer name {port} netns {}", self.lan.name())];
        // Split aggregates on the way out, after the qdisc, as a NIC puts frames on its wire.
        lines.push(format!("link set {interface} up gso_max_segs 1"));
        lines.extend(at.assign(interface));
        ns.ip(&lines)?;
        self.lan.ip(&[format!("link set {port} up master br0")])
    }
}
