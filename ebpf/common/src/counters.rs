//! Counters of the programs: one value per CPU, added up by the agent. They only grow while an owner has the id.

use crate::reason::DROP_REASONS;

/// What a pod sent and received on its veth. Value of `POD_TRAFFIC`, indexed by slot.
///
/// Bytes are `skb->len` with the Ethernet header, as the interface's own counters have it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodTraffic {
    /// Bytes that the pod sent.
    pub tx_bytes: u64,
    /// Packets that the pod sent; a GSO packet is one.
    pub tx_packets: u64,
    /// Bytes that the pod received.
    pub rx_bytes: u64,
    /// Packets that the pod received.
    pub rx_packets: u64,
}

/// What a pod sent over an uplink. Value of `POD_UPLINK`, indexed by slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodUplink {
    /// Bytes on the wire (`skb->wire_len`) that passed.
    pub bytes: u64,
    /// Packets that passed.
    pub packets: u64,
    /// Packets that got a CE mark.
    pub marked: u64,
    /// Packets dropped, by [`crate::reason::DropReason`].
    pub dropped: [u64; DROP_REASONS],
    /// Bytes on the wire that passed an uplink on which the pod is in no tier, while it is in one on another.
    pub untiered_bytes: u64,
    /// Id of the uplink that such a packet passed last on this CPU. [`Sum`] takes the highest of all CPUs.
    pub untiered_uplink: u64,
    /// Samples of the pod's packets that arrived at an uplink without any sign of the pod.
    pub lost_samples: u64,
}

/// Buckets of [`TierTraffic::delay`].
pub const DELAY_BUCKETS: usize = 16;
/// Upper bound of the first bucket, in ns; each next one is double. The tenth is 40 ms, the longest that bulk is booked
/// ahead, so that no percentile is told to be longer.
pub const DELAY_FIRST_NS: u64 = 78_125;

/// What a tier sent over its uplink. Value of `TIER_TRAFFIC`, indexed by tier id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierTraffic {
    /// Bytes on the wire that passed.
    pub bytes: u64,
    /// Packets that passed.
    pub packets: u64,
    /// Packets that got a CE mark.
    pub marked: u64,
    /// Bytes on the wire that were dropped: with `bytes`, the tier's demand.
    pub dropped_bytes: u64,
    /// Packets dropped, by [`crate::reason::DropReason`].
    pub dropped: [u64; DROP_REASONS],
    /// Sum of all delays that were given to packets, in ns.
    pub delay_sum_ns: u64,
    /// Packets by delay: bucket i counts those of at most `DELAY_FIRST_NS << i` (the last has no bound).
    pub delay: [u64; DELAY_BUCKETS],
}

/// What left by an uplink. Value of `UPLINK_TRAFFIC`, indexed by uplink id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkTraffic {
    /// Bytes on the wire, by [`Class`].
    pub bytes: [u64; CLASSES],
    /// Packets, by [`Class`].
    pub packets: [u64; CLASSES],
    /// Bytes on the wire of interactive packets whose sender is not known, by [`Unknown`].
    pub unknown_bytes: [u64; UNKNOWNS],
}

/// Why the sender of a packet is not known: index of `unknown_bytes` in [`UplinkTraffic`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Forwarded for something that is no pod of this node: a container of another runtime, a VM, a routed LAN.
    Forwarded = 0,
    /// Made by the kernel and of no socket: the outer packets of tunnels.
    Tunnelled = 1,
}

/// Number of [`Unknown`]s.
pub const UNKNOWNS: usize = 2;

/// How an uplink sees a packet: index of the arrays in [`UplinkTraffic`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Of no tier.
    Interactive = 0,
    /// Of a tier.
    Bulk = 1,
    /// To an exempt network: does not cross the uplink.
    Exempt = 2,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Bulk, Self::Exempt];

    /// The word for it in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
            Self::Exempt => "exempt",
        }
    }
}

/// Room for classes in [`UplinkTraffic`].
pub const CLASSES: usize = 4;

/// The bucket of [`TierTraffic::delay`] for a delay.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn delay_bucket(delay_ns: u64) -> usize {
    let mut bucket = 0;
    // A loop of constant length, which the verifier unrolls in its head; BPF has no count-leading-zeros.
    while bucket < DELAY_BUCKETS - 1 && delay_ns > DELAY_FIRST_NS << bucket {
        bucket += 1;
    }
    bucket
}

/// Sums of several CPUs' values.
pub trait Sum {
    /// Adds another CPU's value, field by field.
    fn add(&mut self, other: &Self);
}

impl Sum for PodTraffic {
    fn add(&mut self, other: &Self) {
        self.tx_bytes += other.tx_bytes;
        self.tx_packets += other.tx_packets;
        self.rx_bytes += other.rx_bytes;
        self.rx_packets += other.rx_packets;
    }
}

impl Sum for PodUplink {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.packets += other.packets;
        self.marked += other.marked;
        add_each(&mut self.dropped, &other.dropped);
        self.untiered_bytes += other.untiered_bytes;
        self.untiered_uplink = self.untiered_uplink.max(other.untiered_uplink);
        self.lost_samples += other.lost_samples;
    }
}

impl Sum for TierTraffic {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.packets += other.packets;
        self.marked += other.marked;
        self.dropped_bytes += other.dropped_bytes;
        add_each(&mut self.dropped, &other.dropped);
        self.delay_sum_ns += other.delay_sum_ns;
        add_each(&mut self.delay, &other.delay);
    }
}

impl Sum for UplinkTraffic {
    fn add(&mut self, other: &Self) {
        add_each(&mut self.bytes, &other.bytes);
        add_each(&mut self.packets, &other.packets);
        add_each(&mut self.unknown_bytes, &other.unknown_bytes);
    }
}

impl Sum for u64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

fn add_each<const N: usize>(to: &mut [u64; N], from: &[u64; N]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_no_padding() {
        assert_eq!(size_of::<PodTraffic>(), 32);
        assert_eq!(size_of::<PodUplink>(), 8 * (6 + DROP_REASONS));
        assert_eq!(size_of::<TierTraffic>(), 8 * (5 + DROP_REASONS + DELAY_BUCKETS));
        assert_eq!(size_of::<UplinkTraffic>(), 16 * CLASSES + 8 * UNKNOWNS);
    }

    #[test]
    fn delays_fall_into_their_buckets() {
        assert_eq!(delay_bucket(0), 0);
        assert_eq!(delay_bucket(DELAY_FIRST_NS), 0);
        assert_eq!(delay_bucket(DELAY_FIRST_NS + 1), 1);
        assert_eq!(delay_bucket(40_000_000), 9);
        assert_eq!(delay_bucket(40_000_001), 10);
        assert_eq!(delay_bucket(u64::MAX), DELAY_BUCKETS - 1);
    }
}
