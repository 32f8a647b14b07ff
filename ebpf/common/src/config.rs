//! What the agent writes and the programs read.

use crate::{limits::MAX_UPLINKS, units::Cost};

/// Who a slot, tier or uplink id belongs to: the first 16 bytes of a SHA-256 over the object's identity. It lets a
/// restarted agent find again which id it had given to whom. All zero: the id is free.
pub type Owner = [u8; 16];

/// What an interface is to Weir. Value of `INTERFACES`, keyed by ifindex.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Slot of the pod behind a veth's host side, or 0.
    pub slot: u16,
    /// Id of the uplink whose NIC this is, or 0.
    pub uplink: u16,
    /// Bytes before the IP header: 14 for Ethernet, 0 for devices without a link layer (wireguard, tun, ppp).
    pub l2_len: u16,
    /// `INTERFACE_…` bits.
    pub flags: u8,
    /// Number of an uplink's interface in `PORTS`, or 0: bursts are not split there.
    pub port: u8,
}

/// The veth of a pod has a master (bridge or VRF), which replaces the veth in `skb->skb_iif`: `pod_tx` writes the slot
/// into the packet.
pub const INTERFACE_TAGS: u8 = 1;
/// A bridge or VRF that pods' veths belong to: a packet that entered the node's IP layer here may carry a slot.
pub const INTERFACE_SHARED: u8 = 1 << 1;
/// The uplink's interface is a port of a bridge, whose own transmission overwrites `queue_mapping`: `bridge_tx` hands
/// the slot over on the same CPU.
pub const INTERFACE_PORT: u8 = 1 << 2;
/// The pod is in a tier: `pod_tx` leaves samples by which packets that lose their pod are found out.
pub const INTERFACE_SAMPLES: u8 = 1 << 3;
/// The end of Weir's own veth where split bursts come out: a packet from here carries a ticket ([`crate::split`]).
pub const INTERFACE_SPLITTER: u8 = 1 << 4;

/// The limits of one pod. Value of `PODS`, indexed by slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodConfig {
    /// Whose slot this is.
    pub owner: Owner,
    /// The pod's own ceiling on each uplink, by uplink id, or 0.
    pub ceilings: [Cost; UPLINKS],
    /// Id of the pod's tier on each uplink, by uplink id, or 0 for interactive.
    pub tiers: [u16; UPLINKS],
    /// `POD_…` bits.
    pub flags: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Places of arrays that are indexed by an uplink id.
pub const UPLINKS: usize = MAX_UPLINKS as usize;

/// The pod's packets carry its slot in `queue_mapping` ([`INTERFACE_TAGS`]); the slot in a packet of another pod's is
/// not believed.
pub const POD_TAGGED: u32 = 1;
/// The pod is in some tier: what it sends over an uplink on which it has none is counted apart.
pub const POD_TIERED: u32 = 1 << 1;

/// `dscp` of a tier that does not mark its packets.
pub const DSCP_KEEP: u8 = 0xff;

/// The limits of one tier. Value of `TIERS`, indexed by tier id.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierConfig {
    /// Whose id this is.
    pub owner: Owner,
    /// What the tier never exceeds, or 0.
    pub ceiling: Cost,
    /// What the tier always gets, or 0.
    pub guarantee: Cost,
    /// Id of the uplink that the tier belongs to; on other uplinks its pods are interactive.
    pub uplink: u16,
    /// DSCP (RFC 2474, six bits) to write into its packets, or [`DSCP_KEEP`].
    pub dscp: u8,
    /// Always 0.
    pub reserved: [u8; 5],
}

impl Default for TierConfig {
    fn default() -> Self {
        Self { owner: [0; 16], ceiling: 0, guarantee: 0, uplink: 0, dscp: DSCP_KEEP, reserved: [0; 5] }
    }
}

/// Packets cannot wait on this uplink (no `fq`): what is over a ceiling is dropped instead.
pub const UPLINK_POLICE: u32 = 1;

/// The line's framing is known: what a packet takes there is not its length as an Ethernet frame.
pub const UPLINK_LINE: u32 = 1 << 1;
/// With [`UPLINK_LINE`]: the line carries packets in ATM cells, 48 bytes in each 53 (ITU-T I.363.5).
pub const UPLINK_ATM: u32 = 1 << 2;
/// With [`UPLINK_LINE`]: the line carries packets in PTM, 64 bytes in each 65 (IEEE 802.3, clause 61).
pub const UPLINK_PTM: u32 = 1 << 3;

/// One uplink of this node. Value of `UPLINKS`, indexed by uplink id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkConfig {
    /// Whose id this is.
    pub owner: Owner,
    /// Capacity less headroom.
    pub capacity: Cost,
    /// δ: delay that bulk may add to interactive packets, in ns.
    pub delta_ns: u32,
    /// Lower bound of the horizon, in ns.
    pub horizon_min_ns: u32,
    /// Upper bound of the horizon, in ns.
    pub horizon_max_ns: u32,
    /// Bytes that a guarantee or a ceiling may schedule ahead where the horizon holds fewer.
    pub room_bytes: u32,
    /// What all ceilings together may schedule beyond the horizon, as time on the line in ns.
    pub reserve_ns: u32,
    /// How far a clock may lag behind now, which is the burst that passes at once, in ns.
    pub burst_ns: u32,
    /// `UPLINK_…` bits.
    pub flags: u32,
    /// Bit n set: some hostNetwork pod's cgroup stands at level n of the tree.
    pub cgroup_levels: u32,
    /// With [`UPLINK_LINE`]: bytes that the line adds to an IP packet, or takes away.
    pub overhead: i16,
    /// With [`UPLINK_LINE`]: what a packet takes on the line at least, in bytes.
    pub minimum: u16,
    /// ifindex of the veth that bursts of tiers are sent over to be split, or 0.
    pub splitter: u32,
}

/// Key of `EXEMPT_V4`, after the prefix length, which counts the bits of `uplink` too.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExemptV4 {
    /// Uplink id in network byte order.
    pub uplink: [u8; 4],
    /// Network address.
    pub network: [u8; 4],
}

/// Key of `EXEMPT_V6`, after the prefix length, which counts the bits of `uplink` too.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExemptV6 {
    /// Uplink id in network byte order.
    pub uplink: [u8; 4],
    /// Network address.
    pub network: [u8; 16],
}

/// Bits of the uplink id in front of an exempt network's own prefix.
pub const EXEMPT_PREFIX: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_no_padding() {
        assert_eq!(size_of::<InterfaceConfig>(), 8);
        assert_eq!(size_of::<PodConfig>(), 16 + UPLINKS * (8 + 2) + 8);
        assert_eq!(size_of::<TierConfig>(), 16 + 16 + 8);
        assert_eq!(size_of::<UplinkConfig>(), 64);
        assert_eq!(size_of::<ExemptV4>(), 8);
        assert_eq!(size_of::<ExemptV6>(), 20);
    }
}
