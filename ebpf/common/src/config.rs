//! What the agent writes and the programs read.

use crate::units::Cost;

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
    pub l2_len: u32,
}

/// The limits of one pod. Value of `PODS`, indexed by slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodConfig {
    /// Whose slot this is.
    pub owner: Owner,
    /// The pod's own ceiling, or 0.
    pub ceiling: Cost,
    /// Id of the pod's tier, or 0 for interactive.
    pub tier: u16,
    /// Always 0.
    pub reserved: [u16; 3],
}

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
    /// How far a clock may lag behind now, which is the burst that passes at once, in ns.
    pub burst_ns: u32,
    /// [`UPLINK_POLICE`] or 0.
    pub flags: u32,
    /// Bit n set: some hostNetwork pod's cgroup stands at level n of the tree.
    pub cgroup_levels: u32,
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
        assert_eq!(size_of::<PodConfig>(), 16 + 8 + 8);
        assert_eq!(size_of::<TierConfig>(), 16 + 16 + 8);
        assert_eq!(size_of::<UplinkConfig>(), 16 + 8 + 24);
        assert_eq!(size_of::<ExemptV4>(), 8);
        assert_eq!(size_of::<ExemptV6>(), 20);
    }
}
