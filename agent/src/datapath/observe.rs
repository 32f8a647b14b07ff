//! What the kernel has.

use weir_common::{config::Owner, maps};
use weir_core::kernel::KernelState;

use super::{Datapath, DatapathError, InterfaceNames};

impl Datapath {
    /// Reads Weir's whole configuration back from the kernel.
    pub fn observe(&self, names: &InterfaceNames) -> Result<KernelState, DatapathError> {
        let attached = self.attached(names);
        let tables = &self.tables;
        let mut state = KernelState { attached, ..KernelState::default() };
        state.interfaces = tables.interfaces.all()?;
        for entry in &tables.cgroups {
            let (cgroup, slot) = entry.map_err(|source| DatapathError::map("read", maps::CGROUPS, source))?;
            state.cgroups.insert(cgroup, u16::try_from(slot).unwrap_or(0));
        }
        for entry in &tables.addresses {
            let (address, slot) = entry.map_err(|source| DatapathError::map("read", maps::ADDRESSES, source))?;
            state.addresses.insert(address, u16::try_from(slot).unwrap_or(0));
        }
        let is_owned = |owner: Owner| owner != Owner::default();
        state.pods = tables.pods.all()?.into_iter().filter(|(_, pod)| is_owned(pod.owner)).collect();
        state.tiers = tables.tiers.all()?.into_iter().filter(|(_, tier)| is_owned(tier.owner)).collect();
        state.uplinks = tables.uplinks.all()?.into_iter().filter(|(_, uplink)| is_owned(uplink.owner)).collect();
        state.exempt = tables.exempt.all()?;
        state.ports = tables.ports.all()?.into_iter().filter(|(_, ifindex)| *ifindex != 0).collect();
        Ok(state)
    }
}
