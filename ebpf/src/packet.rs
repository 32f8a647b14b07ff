//! What the programs read from a packet, and write into it.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{
        bpf_skb_ancestor_cgroup_id, bpf_skb_change_head, bpf_skb_ecn_set_ce, bpf_skb_load_bytes, bpf_skb_store_bytes,
        bpf_skb_vlan_pop, bpf_skb_vlan_push,
    },
    programs::TcContext,
};
use weir_common::{
    identity::{Address, Traits, mapped},
    tag::{slot_of_tag, tag_of_slot},
};
use weir_ebpf::{dscp, line::Lengths};

/// Verdict that lets the next program on the hook run, and then the packet pass: `TCX_NEXT`, and `TC_ACT_UNSPEC` in
/// clsact's terms, which are the same number.
pub(crate) const NEXT_PROGRAM: i32 = -1;

/// `ETH_P_IP` and `ETH_P_IPV6` as `skb->protocol` holds them, in network byte order.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;

/// `ETH_P_8021Q` in network byte order.
const ETH_P_8021Q: u16 = 0x8100_u16.to_be();
/// Bytes of an Ethernet header, and where the protocol stands in it.
const ETHERNET_LEN: u32 = 14;
const ETHERNET_PROTOCOL: u32 = 12;

/// Offsets into the IPv4 header (RFC 791).
mod v4 {
    pub(super) const FRAGMENT: usize = 6;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const SOURCE: u32 = 12;
    pub(super) const DESTINATION: u32 = 16;
    pub(super) const LEN: usize = 20;
}

/// Offsets into the IPv6 header (RFC 8200).
mod v6 {
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const SOURCE: u32 = 8;
    pub(super) const DESTINATION: u32 = 24;
    pub(super) const LEN: usize = 40;
}

/// IP protocol numbers.
mod protocol {
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const ICMPV6: u8 = 58;
}

/// A packet's IP destination.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    V4([u8; 4]),
    V6([u8; 16]),
    NotIp,
    Short,
}

/// A packet on its way through a tc hook.
pub(crate) struct Packet {
    skb: *mut __sk_buff,
    l2_len: u32,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn new(ctx: &TcContext, l2_len: u16) -> Self {
        Self { skb: ctx.skb.skb, l2_len: u32::from(l2_len) }
    }

    /// The slots that the packet may carry: in `tc_index`, which fragments that the node makes inherit (`ip_copy_metadata`)
    /// and which few others write, and in `queue_mapping`.
    #[inline(always)]
    pub(crate) fn tags(&self) -> (Option<u16>, Option<u16>) {
        // SAFETY: the context outlives the program; the verifier allows these fields for SCHED_CLS.
        unsafe { (slot_of_tag((*self.skb).tc_index), slot_of_tag((*self.skb).queue_mapping)) }
    }

    /// Writes a slot into the packet.
    #[inline(always)]
    pub(crate) fn set_tag(&self, slot: u16) {
        let tag = tag_of_slot(slot);
        // SAFETY: as above; both are writable (`tc_cls_act_is_valid_access`), the first since 4.3.
        unsafe {
            (*self.skb).queue_mapping = tag;
            (*self.skb).tc_index = tag;
        }
    }

    /// Takes this slot out of the packet.
    #[inline(always)]
    pub(crate) fn clear_tag(&self, slot: u16) {
        let tag = tag_of_slot(slot);
        // SAFETY: as above.
        unsafe {
            if (*self.skb).queue_mapping == tag {
                (*self.skb).queue_mapping = 0;
            }
            if (*self.skb).tc_index == tag {
                (*self.skb).tc_index = 0;
            }
        }
    }

    /// The interface by which the packet entered the node's IP layer; 0 for one that was made here.
    #[inline(always)]
    pub(crate) fn ingress(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb).ingress_ifindex }
    }

    /// `skb->len`: with the headers of one segment only.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb).len }
    }

    /// `skb->hash`, or 0 where nobody has computed it.
    #[inline(always)]
    pub(crate) fn hash(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb).hash }
    }

    /// Returns whether the packet still belongs to a socket.
    #[inline(always)]
    pub(crate) fn has_socket(&self) -> bool {
        // SAFETY: as above; the pointer is only compared. Readable since 5.1.
        unsafe { !(*self.skb).__bindgen_anon_2.sk.is_null() }
    }

    /// The id of the socket's cgroup at a level of the tree; 0 where the packet has no full socket.
    #[inline(always)]
    pub(crate) fn cgroup(&self, level: u32) -> u64 {
        // SAFETY: helper call with the program's own context.
        unsafe { bpf_skb_ancestor_cgroup_id(self.skb, level as i32) }
    }

    /// Length with the headers of every segment of a GSO packet.
    #[inline(always)]
    pub(crate) fn wire_len(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb).wire_len }
    }

    /// Returns whether it stands for several segments (GSO).
    #[inline(always)]
    pub(crate) fn is_burst(&self) -> bool {
        // SAFETY: as above. Readable since 5.1.
        unsafe { (*self.skb).gso_segs > 1 }
    }

    /// The VLAN tag beside the packet, if it has one.
    #[inline(always)]
    pub(crate) fn vlan_tag(&self) -> Option<u16> {
        // SAFETY: as above.
        unsafe { if (*self.skb).vlan_present != 0 { Some((*self.skb).vlan_tci as u16) } else { None } }
    }

    #[inline(always)]
    pub(crate) fn push_vlan_tag(&self, tag: u16) -> bool {
        // SAFETY: helper call with the program's own context.
        unsafe { bpf_skb_vlan_push(self.skb, ETH_P_8021Q, tag) == 0 }
    }

    #[inline(always)]
    pub(crate) fn pop_vlan_tag(&self) {
        // SAFETY: as above.
        unsafe { bpf_skb_vlan_pop(self.skb) };
    }

    /// Gives a packet of a device without a link layer the header that an Ethernet device expects.
    #[inline(always)]
    pub(crate) fn push_ethernet_header(&self) -> bool {
        if self.l2_len != 0 {
            return true;
        }
        // SAFETY: as above; the addresses are zero.
        unsafe {
            let protocol = (*self.skb).protocol as u16;
            bpf_skb_change_head(self.skb, ETHERNET_LEN, 0) == 0
                && bpf_skb_store_bytes(self.skb, ETHERNET_PROTOCOL, (&raw const protocol).cast(), 2, 0) == 0
        }
    }

    /// What its length on a line is computed from.
    #[inline(always)]
    pub(crate) fn lengths(&self) -> Lengths {
        // SAFETY: as above. `gso_size` is readable since 5.7.
        let (segments, segment) = unsafe { ((*self.skb).gso_segs, (*self.skb).gso_size) };
        Lengths { packet: self.len(), wire: self.wire_len(), l2: self.l2_len, segments, segment }
    }

    /// Departure time that the socket set, or 0.
    #[inline(always)]
    pub(crate) fn departure(&self) -> u64 {
        // SAFETY: as above. Not what the compiler remembers: see `uplink_tx`.
        unsafe { (&raw const (*self.skb).tstamp).read_volatile() }
    }

    /// Sets the departure time, which `fq` obeys (`net/sched/sch_fq.c`): `CLOCK_MONOTONIC`, ns.
    #[inline(always)]
    pub(crate) fn set_departure(&self, at: u64) {
        // SAFETY: as above; writable at egress since 5.0.
        unsafe { (*self.skb).tstamp = at }
    }

    /// The destination address.
    #[inline(always)]
    pub(crate) fn destination(&self) -> Destination {
        // SAFETY: as above.
        match unsafe { (*self.skb).protocol } {
            IPV4 => self.read::<4>(v4::DESTINATION, v4::LEN).map_or(Destination::Short, Destination::V4),
            IPV6 => self.read::<16>(v6::DESTINATION, v6::LEN).map_or(Destination::Short, Destination::V6),
            _ => Destination::NotIp,
        }
    }

    /// The source address; none if the packet is not IP, or too short.
    #[inline(always)]
    pub(crate) fn source(&self) -> Option<Address> {
        // SAFETY: as above.
        match unsafe { (*self.skb).protocol } {
            IPV4 => self.read::<4>(v4::SOURCE, v4::LEN).map(mapped),
            IPV6 => self.read::<16>(v6::SOURCE, v6::LEN),
            _ => None,
        }
    }

    /// What tells the packet from others; none for fragments and protocols that have nothing of the kind.
    #[inline(always)]
    pub(crate) fn traits(&self) -> Option<Traits> {
        // SAFETY: as above.
        let (destination, protocol, l4) = match unsafe { (*self.skb).protocol } {
            IPV4 => {
                let head = self.load::<{ v4::LEN }>(0)?;
                // More fragments, or an offset.
                if u16::from_be_bytes([head[v4::FRAGMENT], head[v4::FRAGMENT + 1]]) & 0x3fff != 0 {
                    return None;
                }
                let to = v4::DESTINATION as usize;
                let destination = mapped([head[to], head[to + 1], head[to + 2], head[to + 3]]);
                (destination, head[v4::PROTOCOL], u32::from(head[0] & 0xf) * 4)
            }
            IPV6 => {
                let protocol = self.load::<1>(v6::NEXT_HEADER as u32)?[0];
                (self.load::<16>(v6::DESTINATION)?, protocol, v6::LEN as u32)
            }
            _ => return None,
        };
        let content = match protocol {
            protocol::TCP | protocol::ICMP | protocol::ICMPV6 => 4,
            protocol::UDP => 8,
            _ => return None,
        };
        let port = if matches!(protocol, protocol::TCP | protocol::UDP) {
            u16::from_ne_bytes(self.load::<2>(l4 + 2)?)
        } else {
            0
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.load::<12>(l4 + content)?;
        // What comes next in TCP is the checksum, which address translation changes.
        let more = if protocol == protocol::UDP { self.load::<4>(l4 + content + 12)? } else { [0; 4] };
        let content = [[a, b, c, d], [e, f, g, h], [i, j, k, l], more].map(u32::from_ne_bytes);
        Some(Traits { destination, protocol, port, content })
    }

    /// Writes a DSCP and keeps ECN; the IPv4 checksum follows.
    #[inline(always)]
    pub(crate) fn set_dscp(&self, value: u8) {
        // SAFETY: as above.
        match unsafe { (*self.skb).protocol } {
            IPV4 => {
                let Some(head) = self.read::<{ dscp::IPV4_HEAD }>(0, v4::LEN) else { return };
                let new = dscp::in_ipv4(head, value);
                if new[dscp::IPV4_TOS] != head[dscp::IPV4_TOS] {
                    self.write(0, &new);
                }
            }
            IPV6 => {
                let Some(head) = self.read::<2>(0, v6::LEN) else { return };
                let new = dscp::in_ipv6(head, value);
                if new != head {
                    self.write(0, &new);
                }
            }
            _ => {}
        }
    }

    /// Sets CE if the packet says that its transport understands ECN; says whether it carries CE now.
    #[inline(always)]
    pub(crate) fn set_ce(&self) -> bool {
        // SAFETY: helper call with the program's own context.
        unsafe { bpf_skb_ecn_set_ce(self.skb) == 1 }
    }

    /// `N` bytes at `offset` of an IP header of which `header` bytes must be there.
    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32, header: usize) -> Option<[u8; N]> {
        // SAFETY: as above: data and data_end are the bounds of the linear part.
        let (data, end) = unsafe { ((*self.skb).data as usize, (*self.skb).data_end as usize) };
        let l2 = if self.l2_len == 0 { 0 } else { 14 };
        if data + l2 + header <= end {
            // SAFETY: the bytes are inside the linear part, as just checked.
            return Some(unsafe { *((data + l2 + offset as usize) as *const [u8; N]) });
        }
        self.load(offset)
    }

    /// `N` bytes at `offset` of the IP packet, wherever they are.
    #[inline(always)]
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut bytes = [0u8; N];
        // SAFETY: the helper writes N bytes to an array of N, or fails.
        let failed =
            unsafe { bpf_skb_load_bytes(self.skb.cast(), self.l2_len + offset, bytes.as_mut_ptr().cast(), N as u32) };
        (failed == 0).then_some(bytes)
    }

    #[inline(always)]
    fn write(&self, offset: u32, bytes: &[u8]) {
        // SAFETY: the helper reads `bytes.len()` bytes; it makes the header writable by itself.
        unsafe {
            bpf_skb_store_bytes(self.skb, self.l2_len + offset, bytes.as_ptr().cast(), bytes.len() as u32, 0);
        }
    }
}
