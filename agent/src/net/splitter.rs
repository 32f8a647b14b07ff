//! Weir's own veth, on which bursts of bulk are split.
//!
//! The end where they go in takes packets of one segment (`gso_max_segs`), so that the kernel splits a longer one on the
//! way (`netif_skb_features`, `validate_xmit_skb`, `net/core/dev.c`). No address stands on either end, and nothing of the
//! node's IP layer sees what passes: see `ebpf/src/split.rs`.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
        LinkMessage,
    },
};
use nix::errno::Errno;
use weir_core::host::SPLITTER;

use super::{Error, Netlink, Result, channel::Channel};

/// Packets of any length fit (`ETH_MAX_MTU`).
const MTU: u32 = 65_535;

impl Netlink {
    /// Makes the veth anew and brings both ends up.
    ///
    /// # Errors
    /// When the kernel refuses: somebody else may have an interface of one of its names.
    pub async fn make_splitter(&self) -> Result<()> {
        self.with(|channel| {
            remove(channel)?;
            make(channel)
        })
        .await
    }

    /// Takes the veth away; says whether there was one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_splitter(&self) -> Result<bool> {
        self.with(remove).await
    }
}

fn make(channel: &mut Channel) -> Result<()> {
    let [bursts, segments] = SPLITTER;
    let mut end = named(bursts);
    let mut peer = named(segments);
    peer.attributes.push(LinkAttribute::Mtu(MTU));
    let veth = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))];
    end.attributes.extend([LinkAttribute::Mtu(MTU), LinkAttribute::GsoMaxSegs(1), LinkAttribute::LinkInfo(veth)]);
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    channel.change(&format!("make the veth {bursts}"), flags, RouteNetlinkMessage::NewLink(end))?;
    for name in SPLITTER {
        // Before it is up, or it gets a link-local address and asks for routers.
        let mut quiet = named(name);
        let no_address = vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)];
        quiet.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(no_address)]));
        set(channel, name, quiet)?;
        let mut up = named(name);
        up.header.flags = LinkFlags::Up | LinkFlags::Noarp;
        up.header.change_mask = LinkFlags::Up | LinkFlags::Noarp;
        set(channel, name, up)?;
    }
    Ok(())
}

fn remove(channel: &mut Channel) -> Result<bool> {
    let [bursts, _] = SPLITTER;
    match channel.change(&format!("remove the veth {bursts}"), 0, RouteNetlinkMessage::DelLink(named(bursts))) {
        Ok(()) => Ok(true),
        Err(Error::Kernel { errno: Errno::ENODEV, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn set(channel: &mut Channel, name: &str, message: LinkMessage) -> Result<()> {
    match channel.change(&format!("set up the veth {name}"), 0, RouteNetlinkMessage::SetLink(message)) {
        // The kernel has no IPv6, and so no addresses of it.
        Err(Error::Kernel { errno: Errno::EAFNOSUPPORT, .. }) => Ok(()),
        other => other,
    }
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}
