//! The maps, each with its types.

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, PerCpuValues, lpm_trie::Key},
};
use ipnet::IpNet;
use weir_common::{
    config::{EXEMPT_PREFIX, ExemptV4, ExemptV6, InterfaceConfig, PodConfig, TierConfig, UplinkConfig},
    counters::{PodTraffic, PodUplink, Sum, TierTraffic, UplinkTraffic},
    maps,
    state::{PodState, TierState, UplinkState},
};

use super::{DatapathError, abi::Plain};

/// All maps of the object.
pub(super) struct Tables {
    pub(super) interfaces: HashMap<MapData, u32, Plain<InterfaceConfig>>,
    pub(super) cgroups: HashMap<MapData, u64, u32>,
    pub(super) pods: Table<PodConfig>,
    pub(super) tiers: Table<TierConfig>,
    pub(super) uplinks: Table<UplinkConfig>,
    pub(super) uplink_state: Table<UplinkState>,
    pub(super) tier_state: Table<TierState>,
    pub(super) pod_state: Table<PodState>,
    pub(super) pod_traffic: CpuTable<PodTraffic>,
    pub(super) pod_uplink: CpuTable<PodUplink>,
    pub(super) tier_traffic: CpuTable<TierTraffic>,
    pub(super) uplink_traffic: CpuTable<UplinkTraffic>,
    pub(super) exits: PerCpuArray<MapData, u64>,
    exempt_v4: LpmTrie<MapData, Plain<ExemptV4>, u32>,
    exempt_v6: LpmTrie<MapData, Plain<ExemptV6>, u32>,
}

impl Tables {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        Ok(Self {
            interfaces: take(object, maps::INTERFACES)?,
            cgroups: take(object, maps::CGROUPS)?,
            pods: Table::take(object, maps::PODS)?,
            tiers: Table::take(object, maps::TIERS)?,
            uplinks: Table::take(object, maps::UPLINKS)?,
            uplink_state: Table::take(object, maps::UPLINK_STATE)?,
            tier_state: Table::take(object, maps::TIER_STATE)?,
            pod_state: Table::take(object, maps::POD_STATE)?,
            pod_traffic: CpuTable::take(object, maps::POD_TRAFFIC)?,
            pod_uplink: CpuTable::take(object, maps::POD_UPLINK)?,
            tier_traffic: CpuTable::take(object, maps::TIER_TRAFFIC)?,
            uplink_traffic: CpuTable::take(object, maps::UPLINK_TRAFFIC)?,
            exits: take(object, maps::EXITS)?,
            exempt_v4: take(object, maps::EXEMPT_V4)?,
            exempt_v6: take(object, maps::EXEMPT_V6)?,
        })
    }

    /// Exempts a network on an uplink.
    pub(super) fn add_exempt(&mut self, uplink: u16, network: IpNet) -> Result<(), DatapathError> {
        match network {
            IpNet::V4(_) => self.exempt_v4.insert(&key_v4(uplink, network), 1, 0),
            IpNet::V6(_) => self.exempt_v6.insert(&key_v6(uplink, network), 1, 0),
        }
        .map_err(|source| DatapathError::map("write", exempt_map(network), source))
    }

    /// No longer exempts a network on an uplink.
    pub(super) fn remove_exempt(&mut self, uplink: u16, network: IpNet) -> Result<(), DatapathError> {
        match network {
            IpNet::V4(_) => self.exempt_v4.remove(&key_v4(uplink, network)),
            IpNet::V6(_) => self.exempt_v6.remove(&key_v6(uplink, network)),
        }
        .map_err(|source| DatapathError::map("remove from", exempt_map(network), source))
    }

    /// All exempt networks with their uplinks.
    pub(super) fn exempt(&self) -> Result<Vec<(u16, IpNet)>, DatapathError> {
        let mut networks = Vec::new();
        for key in self.exempt_v4.keys() {
            let key = key.map_err(|source| DatapathError::map("read", maps::EXEMPT_V4, source))?;
            let Plain(ExemptV4 { uplink, network }) = key.data();
            networks.extend(entry(uplink, network.into(), key.prefix_len()));
        }
        for key in self.exempt_v6.keys() {
            let key = key.map_err(|source| DatapathError::map("read", maps::EXEMPT_V6, source))?;
            let Plain(ExemptV6 { uplink, network }) = key.data();
            networks.extend(entry(uplink, network.into(), key.prefix_len()));
        }
        Ok(networks)
    }
}

fn entry(uplink: [u8; 4], network: std::net::IpAddr, prefix: u32) -> Option<(u16, IpNet)> {
    let uplink = u16::try_from(u32::from_be_bytes(uplink)).ok()?;
    let prefix = u8::try_from(prefix.checked_sub(EXEMPT_PREFIX)?).ok()?;
    Some((uplink, IpNet::new(network, prefix).ok()?))
}

fn exempt_map(network: IpNet) -> &'static str {
    match network {
        IpNet::V4(_) => maps::EXEMPT_V4,
        IpNet::V6(_) => maps::EXEMPT_V6,
    }
}

fn key_v4(uplink: u16, network: IpNet) -> Key<Plain<ExemptV4>> {
    let std::net::IpAddr::V4(address) = network.addr() else { unreachable!("the caller matched the family") };
    let uplink = u32::from(uplink).to_be_bytes();
    Key::new(EXEMPT_PREFIX + u32::from(network.prefix_len()), Plain(ExemptV4 { uplink, network: address.octets() }))
}

fn key_v6(uplink: u16, network: IpNet) -> Key<Plain<ExemptV6>> {
    let std::net::IpAddr::V6(address) = network.addr() else { unreachable!("the caller matched the family") };
    let uplink = u32::from(uplink).to_be_bytes();
    Key::new(EXEMPT_PREFIX + u32::from(network.prefix_len()), Plain(ExemptV6 { uplink, network: address.octets() }))
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
    fn take(object: &mut Ebpf, name: &'static str) -> Result<Self, DatapathError> {
        Ok(Self { name, array: take(object, name)? })
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

fn take<M: TryFrom<Map, Error = MapError>>(object: &mut Ebpf, name: &'static str) -> Result<M, DatapathError> {
    let map = object.take_map(name).ok_or(DatapathError::Missing(name))?;
    M::try_from(map).map_err(|source| DatapathError::map("open", name, source))
}
