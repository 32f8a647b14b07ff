//! The leechers' sockets, on one thread.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};

use super::utp::Connection;
use super::wire::{Download, Torrent};
use super::{SwarmOptions, Transport};
use crate::netns::Netns;

/// Whatever is due is found out this often, where no packet comes.
const TICK_MILLIS: u8 = 5;
/// How long TCP's data waits to be read; the kernel has acknowledged it long since.
const READ_EVERY: Duration = Duration::from_millis(5);
/// How long packets of µTP are gathered, like those of a NIC that coalesces its interrupts: a tenth of the shortest round
/// trip, and nothing beside the target of LEDBAT.
const COALESCE: Duration = Duration::from_millis(2);
const READ_BYTES: usize = 256 << 10;
/// Leechers begin so many pieces apart.
const PIECES_APART: u32 = 25;

/// Running leechers. They stop when this is dropped.
#[derive(Debug)]
pub(super) struct Leechers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    received: AtomicU64,
    served: AtomicUsize,
    failure: Mutex<Option<String>>,
    stop: AtomicBool,
}

impl Leechers {
    /// Starts a leecher at each address, inside the namespace.
    pub(super) fn start(ns: &Netns, options: &SwarmOptions, torrent: Torrent) -> Self {
        let shared = Arc::new(Shared::default());
        let (work, options) = (Arc::clone(&shared), options.clone());
        let thread = ns.handle().thread(move || {
            let done = match options.transport {
                Transport::Tcp => over_tcp(&options, torrent, &work),
                Transport::Utp => over_utp(&options, torrent, &work),
            };
            *work.failure.lock().expect("nobody panics") = done.err().map(|error| format!("{error:#}"));
            Ok(())
        });
        Self { shared, thread: Some(thread) }
    }

    /// Payload that has arrived at all of them; an error if one of them has failed.
    pub(super) fn received(&self) -> Result<u64> {
        if let Some(failure) = &*self.shared.failure.lock().expect("nobody panics") {
            bail!("a leecher failed: {failure}");
        }
        Ok(self.shared.received.load(Ordering::Relaxed))
    }

    /// How many of them have received something.
    pub(super) fn served(&self) -> usize {
        self.shared.served.load(Ordering::Relaxed)
    }
}

impl Drop for Leechers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Hands bytes to a download and counts what came of it.
    fn feed(&self, download: &mut Download, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let before = download.received();
        download.input(bytes, out)?;
        let after = download.received();
        self.received.fetch_add(after - before, Ordering::Relaxed);
        if before == 0 && after > 0 {
            self.served.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Who waits for which sockets, each known by its place.
struct Waiting {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl Waiting {
    fn on<S: AsFd>(sockets: impl IntoIterator<Item = S>) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut events = Vec::new();
        for (place, socket) in (0..).zip(sockets) {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, place))?;
            events.push(EpollEvent::empty());
        }
        Ok(Self { epoll, events })
    }

    /// The places of the sockets that can be read, after a tick at the latest.
    fn wait(&mut self) -> Result<Vec<usize>> {
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::from(TICK_MILLIS)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("cannot wait for the leechers' sockets"),
        };
        Ok(self.events[..count].iter().filter_map(|event| usize::try_from(event.data()).ok()).collect())
    }
}

/// A peer over TCP.
struct TcpPeer {
    stream: TcpStream,
    download: Download,
    out: Vec<u8>,
}

fn over_tcp(options: &SwarmOptions, torrent: Torrent, shared: &Shared) -> Result<()> {
    let mut peers = Vec::new();
    for (number, &address) in (0..).zip(&options.leechers) {
        let mut out = Vec::new();
        let download = Download::new(torrent, u32::from(number) * PIECES_APART, number, &mut out);
        peers.push(TcpPeer { stream: connect(address, options.seed)?, download, out });
    }
    let mut waiting = Waiting::on(peers.iter().map(|peer| &peer.stream))?;
    let mut block = vec![0; READ_BYTES];
    while !shared.stopped() {
        let ready = waiting.wait()?;
        std::thread::sleep(READ_EVERY);
        for place in ready {
            peers[place].read(&mut block, shared)?;
        }
        for peer in peers.iter_mut().filter(|peer| !peer.out.is_empty()) {
            peer.write()?;
        }
    }
    Ok(())
}

/// Connects from this address, without waiting for it.
fn connect(from: IpAddr, to: SocketAddr) -> Result<TcpStream> {
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(family, SockType::Stream, flags, None).context("a leecher's socket")?;
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from((from, 0))))
        .with_context(|| format!("a leecher at {from}"))?;
    match socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error).with_context(|| format!("a leecher cannot connect to {to}")),
    }
}

impl TcpPeer {
    fn read(&mut self, block: &mut [u8], shared: &Shared) -> Result<()> {
        loop {
            match self.stream.read(block) {
                Ok(0) => bail!("the seed closed the connection"),
                Ok(count) => shared.feed(&mut self.download, &block[..count], &mut self.out)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a leecher's connection"),
            }
        }
    }

    fn write(&mut self) -> Result<()> {
        match self.stream.write(&self.out) {
            Ok(count) => {
                self.out.drain(..count);
            }
            // Not connected yet is the same as no room yet.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
            Err(error) => return Err(error).context("a leecher's connection"),
        }
        Ok(())
    }
}

/// A peer over µTP.
struct UtpPeer {
    socket: UdpSocket,
    connection: Connection,
    download: Download,
}

fn over_utp(options: &SwarmOptions, torrent: Torrent, shared: &Shared) -> Result<()> {
    let mut peers = Vec::new();
    for (number, &address) in (0..).zip(&options.leechers) {
        let socket = UdpSocket::bind((address, 0)).with_context(|| format!("a leecher at {address}"))?;
        socket.connect(options.seed).with_context(|| format!("a leecher cannot connect to {}", options.seed))?;
        socket.set_nonblocking(true)?;
        let mut out = Vec::new();
        let download = Download::new(torrent, u32::from(number) * PIECES_APART, number, &mut out);
        // Each connection takes two numbers.
        let mut connection = Connection::open(number * 2 + 1000);
        connection.send(&out);
        peers.push(UtpPeer { socket, connection, download });
    }
    let mut waiting = Waiting::on(peers.iter().map(|peer| &peer.socket))?;
    let start = Instant::now();
    let now = || u64::try_from(start.elapsed().as_micros()).unwrap_or_default();
    while !shared.stopped() {
        let ready = waiting.wait()?;
        // Packets come every half millisecond, and to be woken for each would take an emulated processor.
        std::thread::sleep(COALESCE);
        for place in ready {
            peers[place].read(now(), shared)?;
        }
        for peer in &mut peers {
            peer.write(now())?;
        }
    }
    Ok(())
}

impl UtpPeer {
    fn read(&mut self, now: u64, shared: &Shared) -> Result<()> {
        let (mut packet, mut out) = ([0; 2048], Vec::new());
        loop {
            let length = match self.socket.recv(&mut packet) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("a leecher's socket"),
            };
            let download = &mut self.download;
            self.connection.input(&packet[..length], now, |bytes| shared.feed(download, bytes, &mut out))?;
        }
        self.connection.send(&out);
        Ok(())
    }

    fn write(&mut self, now: u64) -> Result<()> {
        while let Some(packet) = self.connection.output(now) {
            match self.socket.send(&packet) {
                // What finds no room is lost, and sent again.
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error).context("a leecher's socket"),
                _ => {}
            }
        }
        Ok(())
    }
}
