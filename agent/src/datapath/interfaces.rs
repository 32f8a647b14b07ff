//! What each interface is: a hash, and in front of it an array that the programs read first.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData},
};
use weir_common::{
    config::InterfaceConfig,
    limits::NEAR_INTERFACES,
    maps,
    near::{NearInterface, near_index},
};

use super::{DatapathError, abi::Plain, tables::take};

/// Interfaces by ifindex.
///
/// The hash is the truth. An entry is written to the array first and taken from it first, so that an agent that ends in
/// between finds the change still to be made.
pub(super) struct Interfaces {
    all: HashMap<MapData, u32, Plain<InterfaceConfig>>,
    near: Array<MapData, Plain<NearInterface>>,
}

impl Interfaces {
    /// Takes the maps out of a loaded object, and makes the array agree with the hash.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        let mut interfaces = Self { all: take(object, maps::INTERFACES)?, near: take(object, maps::INTERFACES_NEAR)? };
        let all = interfaces.all()?;
        for index in 0..NEAR_INTERFACES {
            let near = interfaces.near(index)?;
            if near.ifindex != 0 && all.get(&near.ifindex) != Some(&near.config) {
                interfaces.set_near(index, NearInterface::default())?;
            }
        }
        for (ifindex, config) in all {
            interfaces.put_near(ifindex, config)?;
        }
        Ok(interfaces)
    }

    /// All of them.
    pub(super) fn all(&self) -> Result<BTreeMap<u32, InterfaceConfig>, DatapathError> {
        let entries = self.all.iter().map(|entry| entry.map(|(ifindex, config)| (ifindex, config.0)));
        entries.collect::<Result<_, _>>().map_err(|source| DatapathError::map("read", maps::INTERFACES, source))
    }

    /// Says what an interface is.
    pub(super) fn put(&mut self, ifindex: u32, config: InterfaceConfig) -> Result<(), DatapathError> {
        self.put_near(ifindex, config)?;
        self.all
            .insert(ifindex, Plain(config), 0)
            .map_err(|source| DatapathError::map("write", maps::INTERFACES, source))
    }

    /// Forgets an interface.
    pub(super) fn remove(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        let index = near_index(ifindex);
        if self.near(index)?.ifindex == ifindex {
            self.set_near(index, NearInterface::default())?;
        }
        self.all.remove(&ifindex).map_err(|source| DatapathError::map("remove from", maps::INTERFACES, source))
    }

    /// Writes the array's entry, unless another interface has that place.
    fn put_near(&mut self, ifindex: u32, config: InterfaceConfig) -> Result<(), DatapathError> {
        let index = near_index(ifindex);
        let wanted = NearInterface { ifindex, config };
        let near = self.near(index)?;
        if near == wanted || (near.ifindex != 0 && near.ifindex != ifindex) {
            return Ok(());
        }
        self.set_near(index, wanted)
    }

    fn near(&self, index: u32) -> Result<NearInterface, DatapathError> {
        let near = self.near.get(&index, 0);
        Ok(near.map_err(|source| DatapathError::map("read", maps::INTERFACES_NEAR, source))?.0)
    }

    fn set_near(&mut self, index: u32, near: NearInterface) -> Result<(), DatapathError> {
        self.near
            .set(index, Plain(near), 0)
            .map_err(|source| DatapathError::map("write", maps::INTERFACES_NEAR, source))
    }
}
