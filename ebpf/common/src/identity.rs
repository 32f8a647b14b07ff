//! How the pod of a packet is known where it leaves: addresses, and what programs hand to each other.

/// An address of a pod: IPv6, or IPv4 mapped into it (RFC 4291, section 2.5.5.2). Key of `ADDRESSES`.
pub type Address = [u8; 16];

/// The bytes before an IPv4 address in an [`Address`].
pub const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The [`Address`] of an IPv4 address.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn mapped(v4: [u8; 4]) -> Address {
    let m = MAPPED;
    [m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10], m[11], v4[0], v4[1], v4[2], v4[3]]
}

/// What `bridge_tx` knows of the packet that is about to leave by a port of its bridge, for `uplink_tx` on the same CPU.
///
/// The kernel transmits through a bridge in one go, so that the next packet at the port is the one that was seen at the
/// bridge, or a part of it, where the port takes no packet of its size; hash and interface are compared all the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handoff {
    /// Slot of the packet's pod; 0: nothing is handed over.
    pub slot: u32,
    /// `skb->hash`.
    pub hash: u32,
    /// `skb->skb_iif`.
    pub ingress: u32,
}

/// What tells one packet from others, and survives routing and address translation of the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Destination address; IPv4 mapped.
    pub destination: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// Destination port in network byte order; 0 for protocols without ports.
    pub port: u16,
    /// What no two flows to one place have alike. TCP: sequence and acknowledgement numbers, and the window. UDP: the first
    /// bytes of the payload, where protocols keep the number of a connection or request (fewer are alike in WireGuard's
    /// packets, in questions to BitTorrent's trackers and DHT, in DNS). ICMP: identifier, sequence number and payload.
    pub content: [u32; 4],
}

impl Traits {
    /// A 64-bit fingerprint. Key of `SAMPLES`.
    #[must_use]
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub const fn fingerprint(&self) -> u64 {
        let d = &self.destination;
        let high = u64::from_ne_bytes([d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]);
        let low = u64::from_ne_bytes([d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]]);
        let [a, b, c, d] = self.content;
        let rest = ((self.protocol as u64) << 48) | ((self.port as u64) << 32) | a as u64;
        mix(mix(mix(mix(mix(high) ^ low) ^ rest) ^ (((b as u64) << 32) | c as u64)) ^ d as u64)
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014): every bit of the input moves every bit.
#[inline(always)]
#[allow(clippy::inline_always)]
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_no_padding() {
        assert_eq!(size_of::<Handoff>(), 12);
        assert_eq!(mapped([10, 1, 2, 3])[10..], [0xff, 0xff, 10, 1, 2, 3]);
    }

    #[test]
    fn each_trait_changes_the_fingerprint() {
        let packet = Traits { destination: mapped([203, 0, 113, 9]), protocol: 6, port: 443, content: [7, 8, 9, 10] };
        let others = [
            Traits { destination: mapped([203, 0, 113, 8]), ..packet },
            Traits { protocol: 17, ..packet },
            Traits { port: 444, ..packet },
            Traits { content: [8, 8, 9, 10], ..packet },
            Traits { content: [7, 9, 9, 10], ..packet },
            Traits { content: [7, 8, 8, 10], ..packet },
            Traits { content: [7, 8, 9, 9], ..packet },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), packet.fingerprint(), "{other:?}");
        }
    }
}
