//! Ethernet frames with an IP header and zeros behind it.

use std::net::{Ipv4Addr, Ipv6Addr};

const ETHERNET: usize = 14;

/// An IPv4 frame (RFC 791) of `len` bytes with a valid header checksum.
#[must_use]
pub fn ipv4(to: Ipv4Addr, tos: u8, len: usize) -> Vec<u8> {
    let mut frame = ethernet([0x08, 0x00], len);
    let header = &mut frame[ETHERNET..ETHERNET + 20];
    header[0] = 0x45;
    header[1] = tos;
    header[2..4].copy_from_slice(&u16::try_from(len - ETHERNET).unwrap_or(u16::MAX).to_be_bytes());
    header[8] = 64;
    header[9] = 17;
    header[12..16].copy_from_slice(&[198, 51, 100, 1]);
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// An IPv6 frame (RFC 8200) of `len` bytes.
#[must_use]
pub fn ipv6(to: Ipv6Addr, len: usize) -> Vec<u8> {
    let mut frame = ethernet([0x86, 0xdd], len);
    let header = &mut frame[ETHERNET..ETHERNET + 40];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&u16::try_from(len - ETHERNET - 40).unwrap_or(u16::MAX).to_be_bytes());
    header[6] = 17;
    header[7] = 64;
    header[24..40].copy_from_slice(&to.octets());
    frame
}

/// An ARP frame.
#[must_use]
pub fn arp() -> Vec<u8> {
    ethernet([0x08, 0x06], 60)
}

/// Whether the checksum of a frame's IPv4 header is right.
#[must_use]
pub fn has_valid_checksum(frame: &[u8]) -> bool {
    checksum(&frame[ETHERNET..ETHERNET + 20]) == 0
}

/// The TOS byte of an IPv4 frame.
#[must_use]
pub fn tos(frame: &[u8]) -> u8 {
    frame[ETHERNET + 1]
}

fn ethernet(protocol: [u8; 2], len: usize) -> Vec<u8> {
    let mut frame = vec![0; len];
    frame[..6].copy_from_slice(&[0x02, 0, 0, 0, 0, 2]);
    frame[6..12].copy_from_slice(&[0x02, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&protocol);
    frame
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}
