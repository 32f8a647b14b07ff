//! What the kernel has, or should have, as map values and attachments.
//!
//! The same type stands for both sides, so that [`crate::plan`] is a plain difference.

mod ids;
mod owner;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use weir_common::{
    config::{InterfaceConfig, PodConfig, TierConfig, UplinkConfig},
    identity::Address,
    reason::Program,
};

pub use ids::{IdError, Ids, Kind};
pub use owner::{pod_owner, tier_owner, uplink_owner};
pub use render::{Pacing, Rendered, needs_splitter, render};

/// The whole of Weir's configuration in a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelState {
    /// By ifindex.
    pub interfaces: BTreeMap<u32, InterfaceConfig>,
    /// By slot; only slots that somebody owns.
    pub pods: BTreeMap<u16, PodConfig>,
    /// By tier id; only ids that somebody owns.
    pub tiers: BTreeMap<u16, TierConfig>,
    /// By uplink id; only ids that somebody owns.
    pub uplinks: BTreeMap<u16, UplinkConfig>,
    /// Uplink id and network.
    pub exempt: BTreeSet<(u16, IpNet)>,
    /// Slot by cgroup id.
    pub cgroups: BTreeMap<u64, u16>,
    /// Slot by the pod's address.
    pub addresses: BTreeMap<Address, u16>,
    /// ifindex of an uplink's interface by its number, where bursts are split.
    pub ports: BTreeMap<u16, u32>,
    /// Where our own programs, of this very agent, are attached: ifindex and program.
    pub attached: BTreeSet<(u32, Program)>,
}
