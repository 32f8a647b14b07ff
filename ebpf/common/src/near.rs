//! Copies of what the programs look up for every packet, in arrays: the JIT reads an array in place, where a hash costs
//! 30 ns and a trie 20. What finds no room here is looked up in the hash or trie, which hold everything.

use crate::{
    config::InterfaceConfig,
    limits::{NEAR_EXEMPT_V4, NEAR_EXEMPT_V6, NEAR_INTERFACES},
};

/// An entry of `INTERFACES`. Value of `INTERFACES_NEAR`, indexed by [`near_index`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearInterface {
    /// Whose entry it is: of all interfaces with this index the first that came, or 0 for none.
    pub ifindex: u32,
    /// The entry.
    pub config: InterfaceConfig,
}

/// Where an interface's entry would be in `INTERFACES_NEAR`. The kernel counts ifindexes up, so that interfaces of one
/// age have indexes of their own.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn near_index(ifindex: u32) -> u32 {
    ifindex & (NEAR_INTERFACES - 1)
}

/// Exempt networks of one uplink. Value of `EXEMPT_NEAR`, indexed by uplink id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearExempt {
    /// IPv4 networks, of which the first [`Self::v4_len`] count.
    pub v4: [NearNetwork<1>; NEAR_EXEMPT_V4],
    /// IPv6 networks, of which the first [`Self::v6_len`] count.
    pub v6: [NearNetwork<4>; NEAR_EXEMPT_V6],
    /// How many IPv4 networks there are; more than fit here: the trie must be asked too.
    pub v4_len: u32,
    /// How many IPv6 networks there are; more than fit here: the trie must be asked too.
    pub v6_len: u32,
}

/// A network: an address is in it if it equals `network` in all bits of `mask`. Words of an address in network byte
/// order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearNetwork<const WORDS: usize> {
    /// The network's address.
    pub network: [u32; WORDS],
    /// One bits for its prefix.
    pub mask: [u32; WORDS],
}

impl<const WORDS: usize> Default for NearNetwork<WORDS> {
    fn default() -> Self {
        Self { network: [0; WORDS], mask: [0; WORDS] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_no_padding() {
        assert_eq!(size_of::<NearInterface>(), 12);
        assert_eq!(size_of::<NearExempt>(), NEAR_EXEMPT_V4 * 8 + NEAR_EXEMPT_V6 * 32 + 8);
    }

    #[test]
    fn neighbours_do_not_share_an_index() {
        assert!(NEAR_INTERFACES.is_power_of_two());
        assert_eq!(near_index(NEAR_INTERFACES + 7), 7);
        assert_ne!(near_index(7), near_index(8));
    }
}
