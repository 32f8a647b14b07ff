//! The DSCP in an IP header (RFC 2474): six bits; the two below them are ECN (RFC 3168) and stay as they are.

/// The IPv4 TOS byte with another DSCP.
#[must_use]
#[inline(always)]
pub const fn in_tos(tos: u8, dscp: u8) -> u8 {
    (dscp << 2) | (tos & 0b11)
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
        assert_eq!(in_tos(0b1111_1101, 1), 0b0000_0101);
        // Version 6, class 0b101010_11, flow label 0xc....
        let head = [0x6a, 0xbc];
        assert_eq!(in_ipv6(head, 0b00_0001), [0x60, 0b0111_1100]);
        assert_eq!(in_ipv6(in_ipv6(head, 63), 0b10_1010), head);
    }
}
