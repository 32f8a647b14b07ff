//! Watching packets pass an interface, with the time that each was seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::socket::sockopt::{RcvBuf, ReceiveTimeout};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, recv, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::netns::Netns;

const ETHERNET_HEADER: usize = 14;
const IPV6_HEADER: usize = 40;
/// UDP's protocol number.
const UDP: u8 = 17;
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// What was seen of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When it was read from the interface.
    pub at: Instant,
    /// Who sent it.
    pub source: IpAddr,
    /// Its differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// Its ECN bits (RFC 3168): 3 is "congestion experienced".
    pub ecn: u8,
    /// Its UDP ports, the source's first; none for other protocols.
    pub udp: Option<(u16, u16)>,
    /// Its length with the Ethernet header.
    pub length: usize,
}

/// A running capture of every IP packet that a namespace's interfaces receive or send.
#[derive(Debug)]
pub struct Capture {
    packets: Receiver<Seen>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Capture {
    /// Starts to watch the packets of `ns` for which `wanted` is true.
    pub fn start(ns: &Netns, wanted: impl Fn(&Seen) -> bool + Send + 'static) -> Result<Self> {
        let (send, packets) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let socket = ns.enter(open)?;
        let thread = ns.handle().thread(move || {
            let mut frame = [0; 256];
            while !stopped.load(Ordering::Relaxed) {
                let Ok(length) = recv(socket.as_raw_fd(), &mut frame, nix::sys::socket::MsgFlags::MSG_TRUNC) else {
                    continue;
                };
                let seen = parse(&frame[..length.min(frame.len())], Instant::now(), length);
                if let Some(seen) = seen.filter(&wanted)
                    && send.send(seen).is_err()
                {
                    break;
                }
            }
            Ok(())
        });
        Ok(Self { packets, stop, thread: Some(thread) })
    }

    /// Everything seen since the last call.
    #[must_use]
    pub fn drain(&self) -> Vec<Seen> {
        self.packets.try_iter().collect()
    }

    /// Waits for a packet of this kind, and passes over the others.
    ///
    /// # Errors
    /// If none comes within `limit`.
    pub fn wait_for(&self, limit: Duration, is_it: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let deadline = Instant::now() + limit;
        let mut others = 0;
        loop {
            match self.packets.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(seen) if is_it(&seen) => return Ok(seen),
                Ok(_) => others += 1,
                Err(RecvTimeoutError::Timeout) => bail!("no such packet within {limit:?}, but {others} others"),
                Err(RecvTimeoutError::Disconnected) => bail!("the capture has ended"),
            }
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open() -> Result<OwnedFd> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
        .context("cannot open a packet socket: root is needed")?;
    setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER_BYTES)?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(100))?;
    Ok(socket)
}

/// Reads the fields at their places in RFC 791, RFC 8200 and RFC 768; none for other protocols.
fn parse(frame: &[u8], at: Instant, length: usize) -> Option<Seen> {
    let ip = frame.get(ETHERNET_HEADER..)?;
    let (source, class, protocol, header) = match frame.get(12..14)? {
        [0x08, 0x00] => {
            let source = Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(12..16)?).ok()?);
            (IpAddr::V4(source), *ip.get(1)?, *ip.get(9)?, usize::from(ip.first()? & 0x0f) * 4)
        }
        [0x86, 0xdd] => {
            let source = Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(8..24)?).ok()?);
            (IpAddr::V6(source), (ip.first()? << 4) | (ip.get(1)? >> 4), *ip.get(6)?, IPV6_HEADER)
        }
        _ => return None,
    };
    let udp = ip.get(header..).and_then(|datagram| datagram.first_chunk()).filter(|_| protocol == UDP);
    let udp = udp.map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
    Some(Seen { at, source, dscp: class >> 2, ecn: class & 3, udp, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dscp_and_ecn_of_both_protocols() {
        let mut v4 = vec![0; 34];
        v4[12..14].copy_from_slice(&[0x08, 0x00]);
        v4[15] = 0x07;
        v4[26..30].copy_from_slice(&[10, 0, 0, 1]);
        let seen = parse(&v4, Instant::now(), 1514).unwrap();
        assert_eq!((seen.dscp, seen.ecn, seen.length), (1, 3, 1514));
        assert_eq!(seen.source, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));

        let mut v6 = vec![0; 54];
        v6[12..14].copy_from_slice(&[0x86, 0xdd]);
        v6[14..16].copy_from_slice(&[0x60, 0x50]);
        v6[37] = 1;
        let seen = parse(&v6, Instant::now(), 54).unwrap();
        assert_eq!((seen.dscp, seen.ecn), (1, 1));
        assert_eq!(seen.source, IpAddr::V6(Ipv6Addr::LOCALHOST));
    }

    #[test]
    fn reads_the_ports_of_udp_alone() {
        let mut frame = vec![0; 46];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        // A header of six words: with an option.
        (frame[14], frame[23]) = (0x46, UDP);
        frame[38..42].copy_from_slice(&[0xca, 0x6c, 0x1b, 0x58]);
        assert_eq!(parse(&frame, Instant::now(), 46).unwrap().udp, Some((51820, 7000)));
        frame[23] = 6;
        assert_eq!(parse(&frame, Instant::now(), 46).unwrap().udp, None);
    }

    #[test]
    fn passes_over_what_is_no_ip() {
        let mut arp = vec![0; 60];
        arp[12..14].copy_from_slice(&[0x08, 0x06]);
        assert!(parse(&arp, Instant::now(), 60).is_none());
        assert!(parse(&[0; 10], Instant::now(), 10).is_none());
    }
}
