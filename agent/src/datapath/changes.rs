//! Applies a plan, one change after the other.

use weir_common::{
    config::{PodConfig, TierConfig, UplinkConfig},
    limits::AHEAD_EPOCHS,
    maps,
    state::{PodState, TierState, UplinkState},
};
use weir_core::{kernel::Kind, plan::Change};

use super::{Datapath, DatapathError, InterfaceNames};

impl Datapath {
    /// Makes one change. A failed change leaves the others possible; the next round finds what is still missing.
    pub fn apply(&mut self, change: &Change, names: &InterfaceNames) -> Result<(), DatapathError> {
        let tables = &mut self.tables;
        match *change {
            Change::Reset(kind, id) => self.reset(kind, id),
            Change::PutPort(port, ifindex) => tables.ports.set(port, ifindex),
            Change::PutUplink(id, config) => tables.uplinks.set(id, config),
            Change::AddExempt(id, network) => tables.exempt.add(id, network),
            Change::PutTier(id, config) => tables.tiers.set(id, config),
            Change::PutPod(slot, config) => tables.pods.set(slot, config),
            Change::PutInterface(ifindex, config) => tables.interfaces.put(ifindex, config),
            Change::PutCgroup(cgroup, slot) => tables
                .cgroups
                .insert(cgroup, u32::from(slot), 0)
                .map_err(|source| DatapathError::map("write", maps::CGROUPS, source)),
            Change::PutAddress(address, slot) => tables
                .addresses
                .insert(address, u32::from(slot), 0)
                .map_err(|source| DatapathError::map("write", maps::ADDRESSES, source)),
            Change::Attach(ifindex, program) => self.attacher.attach(ifindex, program, names),
            Change::Detach(ifindex, program) => self.attacher.detach(ifindex, program, names),
            Change::RemoveInterface(ifindex) => tables.interfaces.remove(ifindex),
            Change::RemoveCgroup(cgroup) => tables
                .cgroups
                .remove(&cgroup)
                .map_err(|source| DatapathError::map("remove from", maps::CGROUPS, source)),
            Change::RemoveAddress(address) => tables
                .addresses
                .remove(&address)
                .map_err(|source| DatapathError::map("remove from", maps::ADDRESSES, source)),
            Change::RemovePod(slot) => tables.pods.set(slot, PodConfig::default()),
            Change::RemoveTier(id) => tables.tiers.set(id, TierConfig::default()),
            Change::RemoveExempt(id, network) => tables.exempt.remove(id, network),
            Change::RemoveUplink(id) => tables.uplinks.set(id, UplinkConfig::default()),
            Change::RemovePort(port) => tables.ports.set(port, 0),
        }
    }

    fn reset(&mut self, kind: Kind, id: u16) -> Result<(), DatapathError> {
        let tables = &mut self.tables;
        match kind {
            Kind::Uplink => {
                // Before the sum of these: what is taken off it later must have been added to it.
                for epoch in 0..AHEAD_EPOCHS {
                    let cell = u32::from(id) * AHEAD_EPOCHS + epoch;
                    tables.ahead.set(cell, 0, 0).map_err(|source| DatapathError::map("write", maps::AHEAD, source))?;
                }
                tables.uplink_state.set(id, UplinkState::default())?;
                tables.uplink_traffic.reset(id)
            }
            Kind::Tier => {
                tables.tier_state.set(id, TierState::default())?;
                tables.tier_traffic.reset(id)
            }
            Kind::Pod => {
                tables.pod_state.set(id, PodState::default())?;
                tables.pod_traffic.reset(id)?;
                tables.pod_uplink.reset(id)
            }
        }
    }
}
