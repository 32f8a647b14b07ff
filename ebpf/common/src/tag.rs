//! How a packet carries its pod from the veth to the uplink: in `skb->queue_mapping`, and for the fragments that the node
//! makes of it in `skb->tc_index`, which they inherit (`ip_copy_metadata`).
//!
//! The kernel keeps the first field over routing, bridging and address translation, but also uses it for the receive queue
//! of a NIC (queue + 1, `skb_record_rx_queue` in `include/linux/skbuff.h`). A tag therefore starts above any receive
//! queue that a NIC has, so that forwarded packets of other interfaces are never taken for a pod's.

use crate::limits::MAX_SLOTS;

/// The tag of slot 0, which no pod has. No NIC driver offers this many receive queues.
///
/// Not higher than needed: on a multi-queue device without our program `skb_tx_hash` (`net/core/dev.c`) reduces the
/// value by repeated subtraction.
pub const TAG_BASE: u32 = 1024;

/// What both fields are set to for a pod's packet.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn tag_of_slot(slot: u16) -> u32 {
    TAG_BASE + slot as u32
}

/// The slot that a field's value stands for, if it is a tag.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn slot_of_tag(value: u32) -> Option<u16> {
    let slot = value.wrapping_sub(TAG_BASE);
    if slot == 0 || slot >= MAX_SLOTS {
        return None;
    }
    // Truncation: below MAX_SLOTS.
    #[allow(clippy::cast_possible_truncation)]
    let slot = slot as u16;
    Some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_and_receive_queues_are_no_tags() {
        for slot in 1..MAX_SLOTS {
            let slot = u16::try_from(slot).unwrap();
            assert_eq!(slot_of_tag(tag_of_slot(slot)), Some(slot));
        }
        for queue in 0..=TAG_BASE {
            assert_eq!(slot_of_tag(queue), None);
        }
        assert_eq!(slot_of_tag(TAG_BASE + MAX_SLOTS), None);
        assert_eq!(slot_of_tag(u32::MAX), None);
    }
}
