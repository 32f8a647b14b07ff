//! What an agent that runs has put into the kernel, read by its pins: for whoever measures it.

use std::{collections::BTreeMap, path::Path};

use aya::maps::{Map, MapData};
use weir_common::{
    config::{Owner, PodConfig, TierConfig},
    maps,
};

use super::{DatapathError, Pins, tables::Table};

/// The limits of pods and tiers, as packets find them.
pub struct InForce {
    pods: Table<PodConfig>,
    tiers: Table<TierConfig>,
}

impl InForce {
    /// Opens the maps that an agent pinned below `bpffs`.
    pub fn open(bpffs: &Path) -> Result<Self, DatapathError> {
        let pins = Pins::new(bpffs);
        let pinned = |name| {
            let data = MapData::from_pin(pins.maps().join(name));
            data.map(Map::Array).map_err(|source| DatapathError::map("open", name, source))
        };
        Ok(Self {
            pods: Table::of(pinned(maps::PODS)?, maps::PODS)?,
            tiers: Table::of(pinned(maps::TIERS)?, maps::TIERS)?,
        })
    }

    /// The limits of the pod that has this slot.
    pub fn pod(&self, slot: u16) -> Result<PodConfig, DatapathError> {
        self.pods.get(slot)
    }

    /// Slots by their pods' owners.
    pub fn slots(&self) -> Result<BTreeMap<Owner, u16>, DatapathError> {
        Ok(self.pods.all()?.into_iter().map(|(slot, pod)| (pod.owner, slot)).collect())
    }

    /// Ids of tiers by their owners.
    pub fn tiers(&self) -> Result<BTreeMap<Owner, u16>, DatapathError> {
        Ok(self.tiers.all()?.into_iter().map(|(id, tier)| (tier.owner, id)).collect())
    }
}
