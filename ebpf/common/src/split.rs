//! How a packet carries its pod, and the interface by which it leaves, through the veth on which bursts are split: in the
//! VLAN tag beside the packet (`skb->vlan_tci`), which every segment inherits, and which never leaves the node.

/// Bits of a slot.
const SLOT_BITS: u32 = 10;
/// Interfaces that uplinks of a node can have for bursts to be split there, and one for port 0 ("none").
pub const MAX_PORTS: u32 = 64;

/// The tag of a packet of this slot that leaves by this port.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn ticket(port: u8, slot: u16) -> u16 {
    ((port as u16) << SLOT_BITS) | (slot & ((1 << SLOT_BITS) - 1))
}

/// The port of a tag.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn port_of(ticket: u16) -> u8 {
    // Truncation: six bits.
    #[allow(clippy::cast_possible_truncation)]
    let port = (ticket >> SLOT_BITS) as u8;
    port
}

/// The slot of a tag.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn slot_of(ticket: u16) -> u16 {
    ticket & ((1 << SLOT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_SLOTS;

    #[test]
    fn every_port_and_slot_comes_back() {
        for port in 0..u8::try_from(MAX_PORTS).unwrap() {
            for slot in 0..u16::try_from(MAX_SLOTS).unwrap() {
                let ticket = ticket(port, slot);
                assert_eq!((port_of(ticket), slot_of(ticket)), (port, slot));
            }
        }
    }
}
