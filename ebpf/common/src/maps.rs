//! Names, sizes and cost of the maps: the one list that programs, loader and tests agree on.

use crate::{
    config::{ExemptV4, ExemptV6, InterfaceConfig, PodConfig, TierConfig, UplinkConfig},
    counters::{PodTraffic, PodUplink, TierTraffic, UplinkTraffic},
    identity::{Address, Handoff},
    limits::{
        AHEAD_EPOCHS, MAX_ADDRESSES, MAX_CGROUPS, MAX_EXEMPT, MAX_INTERFACES, MAX_SAMPLES, MAX_SLOTS, MAX_TIERS,
        MAX_UPLINKS, NEAR_INTERFACES,
    },
    near::{NearExempt, NearInterface},
    reason::{EXITS_PER_PROGRAM, Program},
    split::MAX_PORTS,
    state::{PodState, TierState, UplinkState},
};

/// ifindex → [`InterfaceConfig`].
pub const INTERFACES: &str = "INTERFACES";
/// [`crate::near::near_index`] → [`NearInterface`].
pub const INTERFACES_NEAR: &str = "INTERFACES_NEAR";
/// slot → [`PodConfig`].
pub const PODS: &str = "PODS";
/// tier id → [`TierConfig`].
pub const TIERS: &str = "TIERS";
/// uplink id → [`UplinkConfig`].
pub const UPLINKS: &str = "UPLINKS";
/// (uplink id, IPv4 network) → present.
pub const EXEMPT_V4: &str = "EXEMPT_V4";
/// (uplink id, IPv6 network) → present.
pub const EXEMPT_V6: &str = "EXEMPT_V6";
/// uplink id → [`NearExempt`].
pub const EXEMPT_NEAR: &str = "EXEMPT_NEAR";
/// cgroup id → slot of the pod.
pub const CGROUPS: &str = "CGROUPS";
/// [`crate::identity::Address`] → slot of the pod that has it.
pub const ADDRESSES: &str = "ADDRESSES";
/// Fingerprint of a packet → slot of the pod that sent it.
pub const SAMPLES: &str = "SAMPLES";
/// 0 → [`Handoff`] of each CPU.
pub const HANDOFF: &str = "HANDOFF";
/// Number of an uplink's interface → its ifindex, or 0.
pub const PORTS: &str = "PORTS";
/// uplink id → [`UplinkState`].
pub const UPLINK_STATE: &str = "UPLINK_STATE";
/// uplink id · [`AHEAD_EPOCHS`] + epoch → what ceilings have scheduled for then, as time on the line in ns.
pub const AHEAD: &str = "AHEAD";
/// tier id → [`TierState`].
pub const TIER_STATE: &str = "TIER_STATE";
/// slot → [`PodState`].
pub const POD_STATE: &str = "POD_STATE";
/// slot → [`PodTraffic`] of each CPU.
pub const POD_TRAFFIC: &str = "POD_TRAFFIC";
/// slot → [`PodUplink`] of each CPU.
pub const POD_UPLINK: &str = "POD_UPLINK";
/// tier id → [`TierTraffic`] of each CPU.
pub const TIER_TRAFFIC: &str = "TIER_TRAFFIC";
/// uplink id → [`UplinkTraffic`] of each CPU.
pub const UPLINK_TRAFFIC: &str = "UPLINK_TRAFFIC";
/// [`crate::reason::exit_index`] → packets of each CPU.
pub const EXITS: &str = "EXITS";

/// Entries of `EXITS`.
#[allow(clippy::cast_possible_truncation)] // A handful of programs.
pub const EXITS_LEN: u32 = Program::ALL.len() as u32 * EXITS_PER_PROGRAM;

/// What a map costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// Its name in the object file and in the pin folder.
    pub name: &'static str,
    /// How many entries it holds at most.
    pub entries: u32,
    /// Bytes of a value, and of a key where the kernel stores it.
    pub entry_bytes: u32,
    /// Whether each CPU has values of its own.
    pub per_cpu: bool,
}

impl MapInfo {
    /// Memory when full, in bytes. For hashes and tries 64 bytes of bookkeeping an entry are added.
    #[must_use]
    pub const fn bytes(&self, cpus: u32) -> u64 {
        let copies = if self.per_cpu { cpus as u64 } else { 1 };
        self.entries as u64 * self.entry_bytes as u64 * copies
    }
}

const NODE: usize = 64;

#[allow(clippy::cast_possible_truncation)] // Sizes of the types in this crate are below 1 KiB.
const fn info(name: &'static str, entries: u32, entry_bytes: usize, per_cpu: bool) -> MapInfo {
    MapInfo { name, entries, entry_bytes: entry_bytes as u32, per_cpu }
}

/// All maps.
pub const MAPS: [MapInfo; 22] = [
    info(INTERFACES, MAX_INTERFACES, NODE + 4 + size_of::<InterfaceConfig>(), false),
    info(INTERFACES_NEAR, NEAR_INTERFACES, size_of::<NearInterface>(), false),
    info(PODS, MAX_SLOTS, size_of::<PodConfig>(), false),
    info(TIERS, MAX_TIERS, size_of::<TierConfig>(), false),
    info(UPLINKS, MAX_UPLINKS, size_of::<UplinkConfig>(), false),
    info(EXEMPT_V4, MAX_EXEMPT, NODE + 4 + size_of::<ExemptV4>() + 4, false),
    info(EXEMPT_V6, MAX_EXEMPT, NODE + 4 + size_of::<ExemptV6>() + 4, false),
    info(EXEMPT_NEAR, MAX_UPLINKS, size_of::<NearExempt>(), false),
    info(CGROUPS, MAX_CGROUPS, NODE + 8 + 4, false),
    info(ADDRESSES, MAX_ADDRESSES, NODE + size_of::<Address>() + 4, false),
    info(SAMPLES, MAX_SAMPLES, NODE + 8 + 4, false),
    info(HANDOFF, 1, size_of::<Handoff>(), true),
    info(PORTS, MAX_PORTS, size_of::<u32>(), false),
    info(UPLINK_STATE, MAX_UPLINKS, size_of::<UplinkState>(), false),
    info(AHEAD, MAX_UPLINKS * AHEAD_EPOCHS, size_of::<u64>(), false),
    info(TIER_STATE, MAX_TIERS, size_of::<TierState>(), false),
    info(POD_STATE, MAX_SLOTS, size_of::<PodState>(), false),
    info(POD_TRAFFIC, MAX_SLOTS, size_of::<PodTraffic>(), true),
    info(POD_UPLINK, MAX_SLOTS, size_of::<PodUplink>(), true),
    info(TIER_TRAFFIC, MAX_TIERS, size_of::<TierTraffic>(), true),
    info(UPLINK_TRAFFIC, MAX_UPLINKS, size_of::<UplinkTraffic>(), true),
    info(EXITS, EXITS_LEN, size_of::<u64>(), true),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_MAP_BYTES;

    #[test]
    fn all_maps_stay_within_the_budget() {
        let bytes: u64 = MAPS.iter().map(|map| map.bytes(64)).sum();
        assert!(bytes <= MAX_MAP_BYTES, "{bytes} bytes");
    }
}
