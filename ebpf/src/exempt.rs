//! Whether an address is in one of an uplink's exempt networks, as far as the array of them can tell.

use weir_common::near::{NearExempt, NearNetwork};

/// What the array says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is exempt.
    Yes,
    /// It is not.
    No,
    /// The array does not hold all networks, and none of those that it holds fits.
    AskTrie,
}

/// For an IPv4 address.
#[must_use]
#[inline(always)]
pub fn v4(near: &NearExempt, address: [u8; 4]) -> Answer {
    answer([u32::from_ne_bytes(address)], &near.v4, near.v4_len)
}

/// For an IPv6 address.
#[must_use]
#[inline(always)]
pub fn v6(near: &NearExempt, address: [u8; 16]) -> Answer {
    let word = |at: usize| u32::from_ne_bytes([address[at], address[at + 1], address[at + 2], address[at + 3]]);
    answer([word(0), word(4), word(8), word(12)], &near.v6, near.v6_len)
}

#[inline(always)]
fn answer<const WORDS: usize, const ROOM: usize>(
    address: [u32; WORDS],
    networks: &[NearNetwork<WORDS>; ROOM],
    len: u32,
) -> Answer {
    let mut at = 0;
    while at < ROOM {
        if at >= len as usize {
            return Answer::No;
        }
        if contains(&networks[at], address) {
            return Answer::Yes;
        }
        at += 1;
    }
    if len as usize > ROOM { Answer::AskTrie } else { Answer::No }
}

#[inline(always)]
fn contains<const WORDS: usize>(network: &NearNetwork<WORDS>, address: [u32; WORDS]) -> bool {
    let mut word = 0;
    while word < WORDS {
        if address[word] & network.mask[word] != network.network[word] {
            return false;
        }
        word += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(len: u32) -> NearExempt {
        let mut near = NearExempt { v4_len: len, v6_len: len, ..NearExempt::default() };
        near.v4 = [NearNetwork { network: [0xff; 1], mask: [u32::MAX; 1] }; 8];
        near.v4[0] =
            NearNetwork { network: [u32::from_ne_bytes([10, 0, 0, 0])], mask: [u32::from_ne_bytes([255, 0, 0, 0])] };
        near.v6 = [NearNetwork { network: [0xff; 4], mask: [u32::MAX; 4] }; 4];
        near.v6[0] = NearNetwork {
            network: [u32::from_ne_bytes([0xfc, 0, 0, 0]), 0, 0, 0],
            mask: [u32::from_ne_bytes([0xfe, 0, 0, 0]), 0, 0, 0],
        };
        near
    }

    #[test]
    fn an_address_is_exempt_if_a_network_holds_it() {
        assert_eq!(v4(&near(1), [10, 1, 2, 3]), Answer::Yes);
        assert_eq!(v4(&near(1), [11, 1, 2, 3]), Answer::No);
        let mut address = [0; 16];
        address[0] = 0xfd;
        assert_eq!(v6(&near(1), address), Answer::Yes);
        address[0] = 0x20;
        assert_eq!(v6(&near(1), address), Answer::No);
    }

    #[test]
    fn nothing_is_exempt_without_networks() {
        assert_eq!(v4(&NearExempt::default(), [0, 0, 0, 0]), Answer::No);
        assert_eq!(v6(&NearExempt::default(), [0; 16]), Answer::No);
    }

    #[test]
    fn the_trie_is_asked_only_for_what_found_no_room() {
        assert_eq!(v4(&near(8), [11, 1, 2, 3]), Answer::No);
        assert_eq!(v4(&near(9), [11, 1, 2, 3]), Answer::AskTrie);
        assert_eq!(v4(&near(9), [10, 1, 2, 3]), Answer::Yes);
        assert_eq!(v6(&near(4), [0x20; 16]), Answer::No);
        assert_eq!(v6(&near(5), [0x20; 16]), Answer::AskTrie);
    }
}
