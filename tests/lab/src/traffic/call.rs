//! A call: small UDP packets at a steady rate, echoed by the other side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};

use super::percentile::Sample;
use crate::netns::Netns;

/// How long a receiver sleeps before it looks whether to stop.
pub(super) const WAKE: Duration = Duration::from_millis(100);
/// A packet begins with its number.
const NUMBER_BYTES: usize = size_of::<u64>();
/// How long to wait for the last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The next call's number.
static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// How the call sounds.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions {
    /// Packets per second.
    pub rate: u32,
    /// Bytes of UDP payload; at least 8, for the sequence number.
    pub size: usize,
    /// Payload of each packet where all bytes are handed over as one burst (`UDP_SEGMENT`, udp(7)); 0: one packet.
    pub segment: u16,
}

impl Default for CallOptions {
    /// 50 packets a second of 172 bytes: G.711 with 20 ms a packet, as RTP carries it (RFC 3551).
    fn default() -> Self {
        Self { rate: 50, size: 172, segment: 0 }
    }
}

/// Answers every packet by the same packet, until told to stop.
pub fn serve_echo(socket: &UdpSocket, stop: &AtomicBool) -> Result<()> {
    socket.set_read_timeout(Some(WAKE))?;
    let mut packet = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut packet) {
            // A full socket buffer is a lost packet, which the caller counts.
            let _ = socket.send_to(&packet[..length], from);
        }
    }
    Ok(())
}

/// A running call.
#[derive(Debug)]
pub struct Call {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop_sending: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Call {
    /// Calls the echo server at `to` from inside the namespace.
    pub fn start(ns: &Netns, to: SocketAddr, options: CallOptions) -> Result<Self> {
        let socket = ns.enter(|| connect(to))?;
        Self::over(socket, options)
    }

    /// Calls the echo server at `to` from the calling thread's namespace.
    pub fn start_here(to: SocketAddr, options: CallOptions) -> Result<Self> {
        Self::over(connect(to)?, options)
    }

    fn over(socket: UdpSocket, options: CallOptions) -> Result<Self> {
        if options.segment > 0 {
            let segment = i32::from(options.segment);
            setsockopt(&socket, UdpGsoSegment, &segment).context("the kernel has no UDP_SEGMENT")?;
        }
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (stop_sending, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let receiver = socket.try_clone()?;
        receiver.set_read_timeout(Some(WAKE))?;

        let (series, stopped) = (Arc::clone(&samples), Arc::clone(&stop_sending));
        let send = std::thread::spawn(move || send_all(&socket, &options, &series, &stopped));
        let (series, stopped) = (Arc::clone(&samples), Arc::clone(&stop));
        let receive = std::thread::spawn(move || receive_all(&receiver, &series, &stopped));
        Ok(Self { samples, stop_sending, stop, threads: vec![send, receive] })
    }

    /// The packets sent until now. Those of the last second may still be answered.
    #[must_use]
    pub fn so_far(&self) -> Vec<Sample> {
        self.samples.lock().expect("no sender panics").clone()
    }

    /// The packets from number `first` on, as they stand now.
    #[must_use]
    pub fn since(&self, first: usize) -> Vec<Sample> {
        self.samples.lock().expect("no sender panics").get(first..).unwrap_or_default().to_vec()
    }

    /// Hangs up, waits a second for late answers, and returns every packet.
    pub fn finish(mut self) -> Result<Vec<Sample>> {
        self.stop_sending.store(true, Ordering::Relaxed);
        std::thread::sleep(LAST_ANSWERS);
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        Ok(self.so_far())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.stop_sending.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn connect(to: SocketAddr) -> Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to).with_context(|| format!("no way to {to}"))?;
    Ok(socket)
}

/// Sends at absolute times, so that a late wake-up does not slow the call down.
fn send_all(socket: &UdpSocket, options: &CallOptions, samples: &Mutex<Vec<Sample>>, stop: &AtomicBool) {
    let mut packet = vec![0; options.size.max(NUMBER_BYTES)];
    // Two calls to one place differ, as those of any protocol do.
    if let Some(id) = packet.get_mut(NUMBER_BYTES..2 * NUMBER_BYTES) {
        id.copy_from_slice(&NEXT_CALL.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    }
    let gap = Duration::from_secs(1) / options.rate.max(1);
    let mut next = Instant::now();
    for number in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        packet[..NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
        samples.lock().expect("no receiver panics").push(Sample { sent: Instant::now(), delay: None });
        // A refused or full socket is a lost packet: the sample stays without an answer.
        let _ = socket.send(&packet);
        next += gap;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn receive_all(socket: &UdpSocket, samples: &Mutex<Vec<Sample>>, stop: &AtomicBool) {
    let mut packet = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok(length) = socket.recv(&mut packet) else { continue };
        let now = Instant::now();
        let Some(number) = packet[..length].first_chunk().copied().map(u64::from_be_bytes) else { continue };
        let mut samples = samples.lock().expect("no sender panics");
        if let Some(sample) = usize::try_from(number).ok().and_then(|number| samples.get_mut(number)) {
            sample.delay.get_or_insert(now - sample.sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Summary;

    #[test]
    fn a_call_over_loopback_loses_nothing() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let echo = std::thread::spawn(move || serve_echo(&server, &stopped));
        let call = Call::start_here(at, CallOptions { rate: 100, size: 20, segment: 0 }).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let samples = call.finish().unwrap();
        stop.store(true, Ordering::Relaxed);
        echo.join().unwrap().unwrap();
        let summary = Summary::of_all(&samples);
        assert!(summary.count >= 10 && summary.lost == 0, "{summary:?}");
    }

    #[test]
    fn a_call_to_nobody_loses_everything() {
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
        let call = Call::start_here(nobody.local_addr().unwrap(), CallOptions::default()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let summary = Summary::of_all(&call.finish().unwrap());
        assert!(summary.count > 0 && summary.lost == summary.count, "{summary:?}");
    }
}
