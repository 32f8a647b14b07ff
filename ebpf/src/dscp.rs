//! The DSCP in an IP header (RFC 2474): six bits; the two below them are ECN (RFC 3168) and stay as they are.

/// Bytes of an IPv4 header up to and with its checksum (RFC 791).
pub const IPV4_HEAD: usize = 12;
/// Where the DSCP stands in it.
pub const IPV4_TOS: usize = 1;
const CHECKSUM: usize = 10;

/// The beginning of an IPv4 header with another DSCP, and the checksum that follows from it (RFC 1624, equation 3).
#[must_use]
#[inline(always)]
pub const fn in_ipv4(head: [u8; IPV4_HEAD], dscp: u8) -> [u8; IPV4_HEAD] {
    let tos = (dscp << 2) | (head[IPV4_TOS] & 0b11);
    let checksum = u16::from_be_bytes([head[CHECKSUM], head[CHECKSUM + 1]]);
    // The version and length beside the TOS do not change: only its byte of the sum does.
    let sum = !checksum as u32 + (!(head[IPV4_TOS] as u16)) as u32 + tos as u32;
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    // Truncation: folded twice, a sum of three words fits into one.
    #[allow(clippy::cast_possible_truncation)]
    let [high, low] = (!(folded as u16)).to_be_bytes();
    let mut new = head;
    new[IPV4_TOS] = tos;
    new[CHECKSUM] = high;
    new[CHECKSUM + 1] = low;
    new
}

/// The first two bytes of an IPv6 header (version, traffic class, four bits of the flow label) with another DSCP.
#[must_use]
#[inline(always)]
pub const fn in_ipv6(head: [u8; 2], dscp: u8) -> [u8; 2] {
    [(head[0] & 0xf0) | (dscp >> 2), (head[1] & 0x3f) | (dscp << 6)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecn_and_flow_label_stay() {
        let mut header = [0x45, 0b1111_1101, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0];
        assert_eq!(in_ipv4(header, 1)[IPV4_TOS], 0b0000_0101);
        header[IPV4_TOS] = 0b10;
        assert_eq!(in_ipv4(header, 0), header, "a DSCP that is there already changes nothing");
        // Version 6, class 0b101010_11, flow label 0xc....
        let head = [0x6a, 0xbc];
        assert_eq!(in_ipv6(head, 0b00_0001), [0x60, 0b0111_1100]);
        assert_eq!(in_ipv6(in_ipv6(head, 63), 0b10_1010), head);
    }

    /// RFC 1071, over whole words.
    fn checksum(words: &[u8]) -> u16 {
        let mut sum: u32 = words.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn a_valid_ipv4_header_stays_valid(mut header: [u8; 20], dscp in 0..64u8) {
            header[0] = 0x45;
            header[CHECKSUM..CHECKSUM + 2].fill(0);
            let right = checksum(&header);
            header[CHECKSUM..CHECKSUM + 2].copy_from_slice(&right.to_be_bytes());
            let head = in_ipv4(header[..IPV4_HEAD].try_into().unwrap(), dscp);
            header[..IPV4_HEAD].copy_from_slice(&head);
            proptest::prop_assert_eq!(checksum(&header), 0);
            proptest::prop_assert_eq!(header[IPV4_TOS] >> 2, dscp);
        }
    }
}
