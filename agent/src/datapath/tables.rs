//! The maps, each with its types.

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues},
};
use weir_common::{
    config::{PodConfig, TierConfig, UplinkConfig},
    counters::{PodTraffic, PodUplink, Sum, TierTraffic, UplinkTraffic},
    identity::Address,
    maps,
    state::{PodState, TierState, UplinkState},
};

use super::{DatapathError, abi::Plain, exempt::Exempt, interfaces::Interfaces};

/// All maps of the object.
pub(super) struct Tables {
    pub(super) interfaces: Interfaces,
    pub(super) cgroups: HashMap<MapData, u64, u32>,
    pub(super) addresses: HashMap<MapData, Address, u32>,
    pub(super) pods: Table<PodConfig>,
    pub(super) tiers: Table<TierConfig>,
    pub(super) uplinks: Table<UplinkConfig>,
    pub(super) ports: Table<u32>,
    pub(super) uplink_state: Table<UplinkState>,
    pub(super) ahead: Array<MapData, u64>,
    pub(super) tier_state: Table<TierState>,
    pub(super) pod_state: Table<PodState>,
    pub(super) pod_traffic: CpuTable<PodTraffic>,
    pub(super) pod_uplink: CpuTable<PodUplink>,
    pub(super) tier_traffic: CpuTable<TierTraffic>,
    pub(super) uplink_traffic: CpuTable<UplinkTraffic>,
    pub(super) exits: PerCpuArray<MapData, u64>,
    pub(super) exempt: Exempt,
}

impl Tables {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        Ok(Self {
            interfaces: Interfaces::take(object)?,
            cgroups: take(object, maps::CGROUPS)?,
            addresses: take(object, maps::ADDRESSES)?,
            pods: Table::take(object, maps::PODS)?,
            tiers: Table::take(object, maps::TIERS)?,
            uplinks: Table::take(object, maps::UPLINKS)?,
            ports: Table::take(object, maps::PORTS)?,
            uplink_state: Table::take(object, maps::UPLINK_STATE)?,
            ahead: take(object, maps::AHEAD)?,
            tier_state: Table::take(object, maps::TIER_STATE)?,
            pod_state: Table::take(object, maps::POD_STATE)?,
            pod_traffic: CpuTable::take(object, maps::POD_TRAFFIC)?,
            pod_uplink: CpuTable::take(object, maps::POD_UPLINK)?,
            tier_traffic: CpuTable::take(object, maps::TIER_TRAFFIC)?,
            uplink_traffic: CpuTable::take(object, maps::UPLINK_TRAFFIC)?,
            exits: take(object, maps::EXITS)?,
            exempt: Exempt::take(object)?,
        })
    }
}

/// An array map with its name.
pub(super) struct Table<T>
where
    Plain<T>: Pod,
{
    name: &'static str,
    array: Array<MapData, Plain<T>>,
}

impl<T> Table<T>
where
    Plain<T>: Pod,
{
    pub(super) fn take(object: &mut Ebpf, name: &'static str) -> Result<Self, DatapathError> {
        Ok(Self { name, array: take(object, name)? })
    }

    /// Of an opened map.
    pub(super) fn of(map: Map, name: &'static str) -> Result<Self, DatapathError> {
        let array = map.try_into().map_err(|source| DatapathError::map("open", name, source))?;
        Ok(Self { name, array })
    }

    /// The value of an id.
    pub(super) fn get(&self, id: u16) -> Result<T, DatapathError> {
        let value = self.array.get(&u32::from(id), 0);
        Ok(value.map_err(|source| DatapathError::map("read", self.name, source))?.0)
    }

    /// Overwrites the value of an id.
    pub(super) fn set(&mut self, id: u16, value: T) -> Result<(), DatapathError> {
        self.array.set(u32::from(id), Plain(value), 0).map_err(|source| DatapathError::map("write", self.name, source))
    }

    /// Every id but 0 with its value.
    pub(super) fn all(&self) -> Result<Vec<(u16, T)>, DatapathError> {
        let ids = 1..u16::try_from(self.array.len()).unwrap_or(u16::MAX);
        ids.map(|id| Ok((id, self.get(id)?))).collect()
    }
}

/// A per-CPU array map with its name.
pub(super) struct CpuTable<T>
where
    Plain<T>: Pod,
{
    name: &'static str,
    array: PerCpuArray<MapData, Plain<T>>,
}

impl<T: Sum + Copy + Default> CpuTable<T>
where
    Plain<T>: Pod,
{
    fn take(object: &mut Ebpf, name: &'static str) -> Result<Self, DatapathError> {
        Ok(Self { name, array: take(object, name)? })
    }

    /// The sum over all CPUs.
    pub(super) fn sum(&self, id: u16) -> Result<T, DatapathError> {
        let values = self.array.get(&u32::from(id), 0);
        let values = values.map_err(|source| DatapathError::map("read", self.name, source))?;
        let mut sum = T::default();
        for value in values.iter() {
            sum.add(&value.0);
        }
        Ok(sum)
    }

    /// Zeroes the value on every CPU.
    pub(super) fn reset(&mut self, id: u16) -> Result<(), DatapathError> {
        let cpus = aya::util::nr_cpus()
            .map_err(|(_, source)| DatapathError::Call { call: "reading the number of CPUs", source })?;
        let zeros = PerCpuValues::try_from(vec![Plain(T::default()); cpus])
            .map_err(|source| DatapathError::Call { call: "sizing a per-CPU value", source })?;
        self.array.set(u32::from(id), zeros, 0).map_err(|source| DatapathError::map("write", self.name, source))
    }
}

/// Takes a map out of a loaded object.
pub(super) fn take<M: TryFrom<Map, Error = MapError>>(
    object: &mut Ebpf,
    name: &'static str,
) -> Result<M, DatapathError> {
    let map = object.take_map(name).ok_or(DatapathError::Missing(name))?;
    M::try_from(map).map_err(|source| DatapathError::map("open", name, source))
}
