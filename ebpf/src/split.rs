//! Bursts: one packet that stands for many segments (GSO) would leave as a block, and whoever comes behind it waits for as
//! long as the line takes for all of them. No helper of the kernel splits a packet, but every device does that does not
//! take one of this size. So a burst that the line takes too long for is sent over a veth of Weir's own, which takes single
//! segments; `split_rx` at its other end sends each of them to the uplink, where they are booked and wait one by one.

use aya_ebpf::{
    bindings::{TC_ACT_REDIRECT, TC_ACT_SHOT},
    helpers::generated::bpf_redirect,
    macros::classifier,
    programs::TcContext,
};
use weir_common::{
    config::INTERFACE_SPLITTER,
    reason::{Exit, Program},
    split::{port_of, slot_of, ticket},
};

use crate::{
    maps::{PORTS, count_exit, interface},
    packet::{NEXT_PROGRAM, Packet},
};

/// The veth on which bursts are split, at the end where segments come out: sends them to the uplink.
#[classifier]
pub(crate) fn split_rx(ctx: TcContext) -> i32 {
    let packet = Packet::new(&ctx, 0);
    let port = packet.vlan_tag().map(|tag| u32::from(port_of(tag)));
    let Some(&ifindex) = port.and_then(|port| PORTS.get(port)).filter(|ifindex| **ifindex != 0) else {
        // What carries no ticket is not ours.
        let (exit, verdict) =
            if port.is_some() { (Exit::DropNoPort, TC_ACT_SHOT) } else { (Exit::NoPod, NEXT_PROGRAM) };
        count_exit(Program::SplitRx, exit);
        return verdict;
    };
    count_exit(Program::SplitRx, Exit::Split);
    redirect(ifindex)
}

/// Sends a burst of this pod to be split. Its segments come back to the program that calls this.
#[inline(always)]
pub(crate) fn send(packet: &Packet, splitter: u32, port: u8, slot: u16) -> bool {
    if !packet.push_vlan_tag(ticket(port, slot)) {
        return false;
    }
    if !packet.push_ethernet_header() {
        packet.pop_vlan_tag();
        return false;
    }
    redirect(splitter) == TC_ACT_REDIRECT
}

/// The pod of a segment that comes back. The tag is taken off.
#[inline(always)]
pub(crate) fn returning(packet: &Packet) -> Option<u16> {
    let tag = packet.vlan_tag()?;
    // Tags of VLANs that pass here are none of ours.
    if interface(packet.ingress())?.flags & INTERFACE_SPLITTER == 0 {
        return None;
    }
    packet.pop_vlan_tag();
    Some(slot_of(tag))
}

#[inline(always)]
fn redirect(ifindex: u32) -> i32 {
    // SAFETY: a helper that notes where the packet goes; it fails for unknown flags only.
    unsafe { bpf_redirect(ifindex, 0) as i32 }
}
