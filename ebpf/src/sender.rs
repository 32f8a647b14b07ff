//! Whose packet it is, where it leaves.
//!
//! The source address may be translated by now, and other programs write into the packet's fields: Cilium into
//! `queue_mapping` and `mark`, for one. So the first of these that gives an answer counts:
//!
//! 1. `skb->skb_iif`, if it is a pod's own interface. Routing, masquerading, `bpf_redirect_neigh` and a detour through an
//!    ifb leave it as it is.
//! 2. For a packet that entered over a bridge or VRF, which puts itself in the place of the pod's interface: the slot in
//!    `queue_mapping` that `pod_tx` or `bridge_rx` wrote (in `tc_index` too, which fragments that the node makes inherit),
//!    and behind another bridge what `bridge_tx` handed over. Values of others are neither read nor cleared.
//! 3. The source address, where it is a pod's of this node.
//! 4. For a packet that was made here: the cgroup of its socket. hostNetwork pods, and pods whose packets come by another
//!    way than a veth and keep their socket (macvlan, netkit, BPF host routing).

use weir_common::{
    config::{INTERFACE_PORT, INTERFACE_SHARED, POD_TAGGED},
    counters::Unknown,
    identity::Handoff,
    limits::MAX_CGROUP_LEVEL,
};

use crate::{
    maps::{ADDRESSES, CGROUPS, HANDOFF, PODS, interface},
    packet::Packet,
};

/// Who sent a packet.
#[derive(Clone, Copy)]
pub(crate) enum Sender {
    /// The pod with this slot.
    Pod(u16),
    /// A socket of the node that belongs to no pod.
    Node,
    /// It is not known.
    Unknown(Unknown),
}

impl Sender {
    /// Finds out who sent a packet. `flags` are those of the interface by which it leaves, and bit n of `cgroup_levels`
    /// is set where some pod's cgroup is at level n of the tree.
    #[inline(always)]
    pub(crate) fn of(packet: &Packet, flags: u8, cgroup_levels: u32) -> Self {
        let ingress = packet.ingress();
        if ingress == 0 {
            return if packet.has_socket() { by_cgroup(packet, cgroup_levels) } else { made_by_kernel(packet) };
        }
        if let Some(entry) = interface(ingress) {
            if entry.slot != 0 {
                return Self::Pod(entry.slot);
            }
            if entry.flags & INTERFACE_SHARED != 0
                && let Some(slot) = carried(packet, flags)
            {
                return Self::Pod(slot);
            }
        }
        by_address(packet).unwrap_or(Self::Unknown(Unknown::Forwarded))
    }
}

/// The slot that a packet from a bridge or VRF carries with it.
#[inline(always)]
fn carried(packet: &Packet, flags: u8) -> Option<u16> {
    if let Some(slot) = tag(packet) {
        packet.clear_tag(slot);
        return Some(slot);
    }
    if flags & INTERFACE_PORT == 0 {
        return None;
    }
    let handed = HANDOFF.get_ptr_mut(0)?;
    // SAFETY: a per-CPU value; see `maps::count_exit`.
    let Handoff { slot, hash, ingress } = unsafe { *handed };
    // It stays for the next one: the kernel may split a packet between the bridge and its port.
    let is_of_this_flow = slot != 0 && hash == packet.hash() && ingress == packet.ingress();
    if is_of_this_flow { Some(slot as u16) } else { None }
}

/// The slot that a packet carries, if a pod that is marked in this way has it.
#[inline(always)]
pub(crate) fn tag(packet: &Packet) -> Option<u16> {
    let is_tagged = |slot: &u16| PODS.get(u32::from(*slot)).is_some_and(|pod| pod.flags & POD_TAGGED != 0);
    let (first, second) = packet.tags();
    first.filter(is_tagged).or_else(|| second.filter(is_tagged))
}

/// The pod that has the packet's source address.
#[inline(always)]
pub(crate) fn slot_of_source(packet: &Packet) -> Option<u16> {
    let source = packet.source()?;
    // SAFETY: the value is copied.
    unsafe { ADDRESSES.get(&source) }.map(|&slot| slot as u16)
}

#[inline(always)]
fn by_address(packet: &Packet) -> Option<Sender> {
    slot_of_source(packet).map(Sender::Pod)
}

/// A packet without a socket and without an interface by which it came: a fragment of a pod's packet (before 6.4
/// `ip6_copy_metadata` does not copy `skb_iif`), or the outer packet of a tunnel.
#[inline(always)]
fn made_by_kernel(packet: &Packet) -> Sender {
    by_address(packet).unwrap_or(Sender::Unknown(Unknown::Tunnelled))
}

#[inline(always)]
fn by_cgroup(packet: &Packet, levels: u32) -> Sender {
    if levels == 0 {
        return Sender::Node;
    }
    for level in 1..=MAX_CGROUP_LEVEL {
        if levels & (1 << level) == 0 {
            continue;
        }
        // SAFETY: the value is copied.
        if let Some(&slot) = unsafe { CGROUPS.get(&packet.cgroup(level)) } {
            return Sender::Pod(slot as u16);
        }
    }
    Sender::Node
}
