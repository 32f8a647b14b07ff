//! Exempt networks: a trie for each address family, and in front of them an array that the programs read first.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aya::{
    Ebpf,
    maps::{LpmTrie, MapData, lpm_trie::Key},
};
use ipnet::IpNet;
use weir_common::{
    config::{EXEMPT_PREFIX, ExemptV4, ExemptV6},
    limits::MAX_UPLINKS,
    maps,
    near::{NearExempt, NearNetwork},
};

use super::{
    DatapathError,
    abi::Plain,
    tables::{Table, take},
};

/// Exempt networks by uplink.
///
/// The tries are the truth; the array follows from them. A network is in a trie before the array counts it, and leaves
/// the array before the trie.
pub(super) struct Exempt {
    v4: LpmTrie<MapData, Plain<ExemptV4>, u32>,
    v6: LpmTrie<MapData, Plain<ExemptV6>, u32>,
    near: Table<NearExempt>,
    known: BTreeSet<(u16, IpNet)>,
}

impl Exempt {
    /// Takes the maps out of a loaded object, and makes the array agree with the tries.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        let (v4, v6) = (take(object, maps::EXEMPT_V4)?, take(object, maps::EXEMPT_V6)?);
        let near = Table::take(object, maps::EXEMPT_NEAR)?;
        let mut exempt = Self { v4, v6, near, known: BTreeSet::new() };
        exempt.known = exempt.all()?;
        for uplink in (1..MAX_UPLINKS).filter_map(|uplink| u16::try_from(uplink).ok()) {
            exempt.follow(uplink)?;
        }
        Ok(exempt)
    }

    /// Exempts a network on an uplink.
    pub(super) fn add(&mut self, uplink: u16, network: IpNet) -> Result<(), DatapathError> {
        match network.addr() {
            IpAddr::V4(address) => self.v4.insert(&key_v4(uplink, address, network), 1, 0),
            IpAddr::V6(address) => self.v6.insert(&key_v6(uplink, address, network), 1, 0),
        }
        .map_err(|source| DatapathError::map("write", map_of(network), source))?;
        self.known.insert((uplink, network));
        self.follow(uplink)
    }

    /// No longer exempts a network on an uplink.
    pub(super) fn remove(&mut self, uplink: u16, network: IpNet) -> Result<(), DatapathError> {
        self.known.remove(&(uplink, network));
        self.follow(uplink)?;
        match network.addr() {
            IpAddr::V4(address) => self.v4.remove(&key_v4(uplink, address, network)),
            IpAddr::V6(address) => self.v6.remove(&key_v6(uplink, address, network)),
        }
        .map_err(|source| DatapathError::map("remove from", map_of(network), source))
    }

    /// All networks with their uplinks.
    pub(super) fn all(&self) -> Result<BTreeSet<(u16, IpNet)>, DatapathError> {
        let mut networks = BTreeSet::new();
        for key in self.v4.keys() {
            let key = key.map_err(|source| DatapathError::map("read", maps::EXEMPT_V4, source))?;
            let Plain(ExemptV4 { uplink, network }) = key.data();
            networks.extend(entry(uplink, network.into(), key.prefix_len()));
        }
        for key in self.v6.keys() {
            let key = key.map_err(|source| DatapathError::map("read", maps::EXEMPT_V6, source))?;
            let Plain(ExemptV6 { uplink, network }) = key.data();
            networks.extend(entry(uplink, network.into(), key.prefix_len()));
        }
        Ok(networks)
    }

    /// Writes the array's entry of an uplink.
    fn follow(&mut self, uplink: u16) -> Result<(), DatapathError> {
        let networks = self.known.iter().filter(|(of, _)| *of == uplink).map(|(_, network)| *network);
        self.near.set(uplink, near(networks))
    }
}

/// The array's entry for some networks. What finds no room is counted all the same.
fn near(networks: impl Iterator<Item = IpNet>) -> NearExempt {
    let mut near = NearExempt::default();
    for network in networks {
        match network {
            IpNet::V4(network) => {
                let words = |address: Ipv4Addr| [u32::from_ne_bytes(address.octets())];
                put(&mut near.v4, &mut near.v4_len, words(network.network()), words(network.netmask()));
            }
            IpNet::V6(network) => {
                put(&mut near.v6, &mut near.v6_len, words_v6(network.network()), words_v6(network.netmask()));
            }
        }
    }
    near
}

fn put<const WORDS: usize>(to: &mut [NearNetwork<WORDS>], len: &mut u32, network: [u32; WORDS], mask: [u32; WORDS]) {
    if let Some(place) = to.get_mut(*len as usize) {
        *place = NearNetwork { network, mask };
    }
    *len += 1;
}

/// An address in words that each are in network byte order.
fn words_v6(address: Ipv6Addr) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(address.octets().as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

fn entry(uplink: [u8; 4], network: IpAddr, prefix: u32) -> Option<(u16, IpNet)> {
    let uplink = u16::try_from(u32::from_be_bytes(uplink)).ok()?;
    let prefix = u8::try_from(prefix.checked_sub(EXEMPT_PREFIX)?).ok()?;
    Some((uplink, IpNet::new(network, prefix).ok()?))
}

fn map_of(network: IpNet) -> &'static str {
    match network {
        IpNet::V4(_) => maps::EXEMPT_V4,
        IpNet::V6(_) => maps::EXEMPT_V6,
    }
}

fn key_v4(uplink: u16, address: Ipv4Addr, network: IpNet) -> Key<Plain<ExemptV4>> {
    let key = ExemptV4 { uplink: u32::from(uplink).to_be_bytes(), network: address.octets() };
    Key::new(EXEMPT_PREFIX + u32::from(network.prefix_len()), Plain(key))
}

fn key_v6(uplink: u16, address: Ipv6Addr, network: IpNet) -> Key<Plain<ExemptV6>> {
    let key = ExemptV6 { uplink: u32::from(uplink).to_be_bytes(), network: address.octets() };
    Key::new(EXEMPT_PREFIX + u32::from(network.prefix_len()), Plain(key))
}

#[cfg(test)]
mod tests {
    use weir_common::limits::NEAR_EXEMPT_V4;
    use weir_ebpf::exempt::{Answer, v4, v6};

    use super::*;

    #[test]
    fn the_array_answers_as_the_networks_do() {
        let entry = near(["10.0.0.0/8", "192.168.4.0/22", "fe80::/10"].into_iter().map(|net| net.parse().unwrap()));
        for (address, answer) in [
            ("10.255.0.1", Answer::Yes),
            ("192.168.7.1", Answer::Yes),
            ("192.168.8.1", Answer::No),
            ("1.1.1.1", Answer::No),
        ] {
            assert_eq!(v4(&entry, address.parse::<Ipv4Addr>().unwrap().octets()), answer, "{address}");
        }
        for (address, answer) in [("febf::1", Answer::Yes), ("fec0::1", Answer::No), ("2001:db8::1", Answer::No)] {
            assert_eq!(v6(&entry, address.parse::<Ipv6Addr>().unwrap().octets()), answer, "{address}");
        }
    }

    #[test]
    fn what_finds_no_room_is_left_to_the_trie() {
        let entry = near((0..=NEAR_EXEMPT_V4).map(|n| format!("10.0.{n}.0/24").parse().unwrap()));
        assert_eq!(v4(&entry, [10, 0, 0, 1]), Answer::Yes);
        assert_eq!(v4(&entry, [10, 0, 8, 1]), Answer::AskTrie);
    }
}
