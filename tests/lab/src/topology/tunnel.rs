//! A VPN sidecar: a pod that sends everything through one WireGuard tunnel to the internet host.
//!
//! Keys, routes and rules are those of `wg-quick` with `AllowedIPs = 0.0.0.0/0, ::/0`: WireGuard's own packets carry a
//! mark, and whatever has no mark takes the tunnel. On its way the node therefore sees one UDP flow.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};

use super::addresses::{self, Pair, TUNNEL_CLIENT, TUNNEL_SERVER};
use super::pod::Pod;
use super::uplink::Internet;
use crate::netns::Netns;

const INTERFACE: &str = "wg0";
/// WireGuard's usual port; `wg-quick` takes the same number for its mark and its routing table.
const PORT: u16 = 51820;
/// What WireGuard's header takes of 1500 bytes over IPv6, as `wg-quick` sets it.
const MTU: u16 = 1420;
/// Keeps the way back open through NAT, and makes the client greet the server before there is anything to send.
const KEEPALIVE_SECONDS: u8 = 25;

/// A running tunnel between a pod and the internet host. It goes with either of them.
#[derive(Debug)]
pub struct Tunnel {
    client: Pair,
    server: Pair,
}

/// An end's key pair (Curve25519, in base64).
struct Keys {
    private: String,
    public: String,
}

impl Tunnel {
    /// Leads everything that the pod sends through a new tunnel. `type_of_service` is the byte that the tunnel's own
    /// packets carry; WireGuard copies none from inside.
    ///
    /// # Errors
    /// If the kernel has no WireGuard or there is no `wg`: then the lab must run in the VM.
    pub fn start(pod: &Pod, internet: &Internet, type_of_service: u8) -> Result<Self> {
        let (client, server) = (addresses::tunnel(TUNNEL_CLIENT), addresses::tunnel(TUNNEL_SERVER));
        let (inside, outside) = (Keys::generate(pod.ns())?, Keys::generate(internet.ns())?);
        let hosts = format!("{}/32, {}/128", client.v4, client.v6);
        interface(internet.ns(), server, &configuration(&outside, &inside, &hosts, None))?;
        let everything = "0.0.0.0/0, ::/0";
        interface(pod.ns(), client, &configuration(&inside, &outside, everything, Some(internet.at(PORT))))?;
        if type_of_service != 0 {
            mark(pod.ns(), type_of_service)?;
        }
        for family in ["-4", "-6"] {
            pod.ns().feed(&["ip", family, "-batch", "-"], &default_route())?;
        }
        Ok(Self { client, server })
    }

    /// A port of the pod, as the internet host reaches it through the tunnel.
    #[must_use]
    pub fn pod_at(&self, port: u16) -> SocketAddr {
        (IpAddr::from(self.client.v4), port).into()
    }

    /// A port of the internet host's own end.
    #[must_use]
    pub fn internet_at(&self, port: u16) -> SocketAddr {
        (IpAddr::from(self.server.v4), port).into()
    }
}

impl Keys {
    fn generate(ns: &Netns) -> Result<Self> {
        let private = ns.run(&["wg", "genkey"]).context("a tunnel needs `wg` (wireguard-tools)")?;
        let public = ns.feed(&["wg", "pubkey"], &private)?;
        Ok(Self { private: private.trim().to_owned(), public: public.trim().to_owned() })
    }
}

/// An end's configuration, as `wg setconf` reads it. Only the end that knows the other's endpoint greets and marks.
fn configuration(own: &Keys, peer: &Keys, allowed: &str, endpoint: Option<SocketAddr>) -> String {
    let (private, public) = (&own.private, &peer.public);
    let (mark, endpoint) = match endpoint {
        Some(at) => {
            (format!("FwMark = {PORT}\n"), format!("Endpoint = {at}\nPersistentKeepalive = {KEEPALIVE_SECONDS}\n"))
        }
        None => (String::new(), String::new()),
    };
    format!(
        "[Interface]\nPrivateKey = {private}\nListenPort = {PORT}\n{mark}\
         [Peer]\nPublicKey = {public}\nAllowedIPs = {allowed}\n{endpoint}"
    )
}

fn interface(ns: &Netns, at: Pair, configuration: &str) -> Result<()> {
    ns.ip(&[format!("link add {INTERFACE} mtu {MTU} type wireguard")])
        .context("a tunnel needs a kernel with WireGuard")?;
    ns.feed(&["wg", "setconf", INTERFACE, "/dev/stdin"], configuration)?;
    let mut lines = at.assign(INTERFACE).to_vec();
    lines.push(format!("link set {INTERFACE} up"));
    ns.ip(&lines)
}

/// Lines of `ip`: whatever is not WireGuard's own takes the tunnel, and of the main table only routes that are narrower
/// than the default count.
fn default_route() -> String {
    format!(
        "route add default dev {INTERFACE} table {PORT}\n\
         rule add not fwmark {PORT} table {PORT}\n\
         rule add table main suppress_prefixlength 0\n"
    )
}

/// Sets the class of the tunnel's own packets over IPv4.
fn mark(pod: &Netns, type_of_service: u8) -> Result<()> {
    let dscp = type_of_service >> 2;
    let rules = format!(
        "add table ip lab; \
         add chain ip lab out {{ type filter hook output priority mangle; }}; \
         add rule ip lab out meta mark {PORT} ip dscp set {dscp}"
    );
    pod.run(&["nft", &rules]).context("marking a tunnel's packets needs nft and nf_tables")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_client_names_an_endpoint() {
        let keys = |name: &str| Keys { private: format!("{name}-private"), public: format!("{name}-public") };
        let (pod, server) = (keys("pod"), keys("server"));
        let at = SocketAddr::from(([203, 0, 113, 10], PORT));
        let text = configuration(&pod, &server, "0.0.0.0/0", Some(at));
        assert!(text.contains("PrivateKey = pod-private\n") && text.contains("PublicKey = server-public\n"), "{text}");
        assert!(text.contains("Endpoint = 203.0.113.10:51820\n") && text.contains("FwMark = 51820\n"), "{text}");
        let text = configuration(&server, &pod, "10.99.0.2/32", None);
        assert!(!text.contains("Endpoint") && !text.contains("FwMark"), "{text}");
    }
}
