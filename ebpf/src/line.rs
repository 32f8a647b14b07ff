//! What a packet takes on the line: DSL, PPPoE and ATM lines frame a packet otherwise than Ethernet does, and a small one
//! may take twice its length there. The sums are those of `sch_cake` (`cake_calc_overhead`).

use weir_common::config::{UPLINK_ATM, UPLINK_PTM, UplinkConfig};

/// The lengths of a packet, which may stand for several segments (GSO).
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// With the headers of one segment only: `skb->len`.
    pub packet: u32,
    /// With the headers of all segments: `qdisc_skb_cb->pkt_len`.
    pub wire: u32,
    /// Bytes before the IP header.
    pub l2: u32,
    /// Segments; 0 or 1 for a packet that is one.
    pub segments: u32,
    /// Payload of each segment but the last.
    pub segment: u32,
}

/// Longer than any packet (`GSO_MAX_SIZE` is 512 KiB).
const LONGEST: u32 = 1 << 20;

/// Bytes on the line of this uplink.
#[must_use]
#[inline(always)]
pub fn line_len(uplink: &UplinkConfig, lengths: &Lengths) -> u32 {
    let others = lengths.segments.saturating_sub(1);
    // In the form that cannot panic: `None` for a packet that is one segment.
    let Some(headers) = lengths.wire.saturating_sub(lengths.packet).checked_div(others) else {
        return one(uplink, lengths.wire.saturating_sub(lengths.l2));
    };
    let full = headers.saturating_add(lengths.segment);
    let last = lengths.wire.saturating_sub(full.saturating_mul(others));
    one(uplink, full.saturating_sub(lengths.l2))
        .saturating_mul(others)
        .saturating_add(one(uplink, last.saturating_sub(lengths.l2)))
}

/// Bytes on the line of one IP packet.
#[inline(always)]
fn one(uplink: &UplinkConfig, ip_len: u32) -> u32 {
    // Packets are shorter than 1 MiB; with that bound no sum overflows.
    let ip_len = if ip_len > LONGEST { LONGEST } else { ip_len };
    let len = i64::from(ip_len) + i64::from(uplink.overhead);
    let minimum = u32::from(uplink.minimum);
    let len = u32::try_from(len).unwrap_or(0).max(minimum);
    if uplink.flags & UPLINK_ATM != 0 {
        len.div_ceil(48) * 53
    } else if uplink.flags & UPLINK_PTM != 0 {
        len + len.div_ceil(64)
    } else {
        len
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETHERNET: u32 = 14;

    fn line(overhead: i16, minimum: u16, flags: u32) -> UplinkConfig {
        UplinkConfig { overhead, minimum, flags, ..UplinkConfig::default() }
    }

    fn packet(ip_len: u32) -> Lengths {
        let len = ip_len + ETHERNET;
        Lengths { packet: len, wire: len, l2: ETHERNET, segments: 1, segment: 0 }
    }

    #[test]
    fn the_known_examples() {
        // Ethernet with preamble, FCS and gap: 38 bytes over IP, 84 at least.
        assert_eq!(line_len(&line(38, 84, 0), &packet(1500)), 1538);
        assert_eq!(line_len(&line(38, 84, 0), &packet(40)), 84);
        // PPPoE over VDSL2 (PTM): 30 bytes; 1492 + 30 = 1522, and 24 more.
        assert_eq!(line_len(&line(30, 0, UPLINK_PTM), &packet(1492)), 1546);
        // PPPoE, LLC/SNAP over ATM: 40 bytes; an ACK of 40 bytes takes two cells, a full packet 32.
        assert_eq!(line_len(&line(40, 0, UPLINK_ATM), &packet(40)), 106);
        assert_eq!(line_len(&line(40, 0, UPLINK_ATM), &packet(1492)), 32 * 53);
        // IP over PPPoA, VC-multiplexed: 10 bytes; the same ACK takes two, one of 38 takes one.
        assert_eq!(line_len(&line(10, 0, UPLINK_ATM), &packet(38)), 53);
        // A tunnel's outer header that the line does not carry.
        assert_eq!(line_len(&line(-20, 0, 0), &packet(1500)), 1480);
        assert_eq!(line_len(&line(-100, 28, 0), &packet(40)), 28);
        assert_eq!(line_len(&line(-100, 0, 0), &packet(40)), 0);
    }

    #[test]
    fn every_segment_has_its_own_frame() {
        // Ten full segments and one of 100 bytes: TCP with timestamps, 66 bytes of headers each.
        let (headers, payload) = (66, 10 * 1448 + 100);
        let lengths = Lengths {
            packet: headers + payload,
            wire: headers * 11 + payload,
            l2: ETHERNET,
            segments: 11,
            segment: 1448,
        };
        let uplink = line(40, 0, UPLINK_ATM);
        assert_eq!(
            line_len(&uplink, &lengths),
            10 * line_len(&uplink, &packet(1500)) + line_len(&uplink, &packet(152))
        );
    }

    proptest! {
        #[test]
        fn any_lengths_end_in_some_length(packet: u32, wire: u32, l2: u32, segments: u32, segment: u32, overhead: i16, minimum: u16) {
            let lengths = Lengths { packet, wire, l2, segments, segment };
            prop_assert!(line_len(&line(overhead, minimum, UPLINK_ATM), &lengths) >= u32::from(minimum));
        }
    }
}
