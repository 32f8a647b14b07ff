//! The other side of calls and requests, on a thread.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use super::bulk::serve_sink;
use super::call::{WAKE, serve_echo};
use super::web::serve_web;
use crate::netns::Netns;

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Server {
    /// Answers calls at this UDP address inside the namespace.
    pub fn echo(ns: &Netns, at: SocketAddr) -> Result<Self> {
        let socket = ns.enter(|| UdpSocket::bind(at).with_context(|| format!("cannot listen at udp {at}")))?;
        Ok(Self::on_a_thread(move |stop| serve_echo(&socket, stop)))
    }

    /// Answers short requests at this TCP address inside the namespace.
    pub fn web(ns: &Netns, at: SocketAddr) -> Result<Self> {
        let listener = ns.enter(|| TcpListener::bind(at).with_context(|| format!("cannot listen at tcp {at}")))?;
        Ok(Self::on_a_thread(move |stop| serve_web(&listener, stop)))
    }

    fn on_a_thread(serve: impl FnOnce(&AtomicBool) -> Result<()> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self { stop, thread: Some(std::thread::spawn(move || serve(&stopped))) }
    }
}

/// A running server that takes bulk. Stops when dropped.
#[derive(Debug)]
pub struct Sink {
    received: Arc<AtomicU64>,
    _server: Server,
}

impl Sink {
    /// Takes whatever comes to this TCP address inside the namespace.
    pub fn start(ns: &Netns, at: SocketAddr) -> Result<Self> {
        let listener = ns.enter(|| TcpListener::bind(at).with_context(|| format!("cannot listen at tcp {at}")))?;
        let received = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&received);
        let server = Server::on_a_thread(move |stop| serve_sink(&listener, &counted, stop));
        Ok(Self { received, _server: server })
    }

    /// Takes every packet that comes to this UDP address inside the namespace.
    pub fn udp(ns: &Netns, at: SocketAddr) -> Result<Self> {
        let socket = ns.enter(|| UdpSocket::bind(at).with_context(|| format!("cannot listen at udp {at}")))?;
        let received = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&received);
        let server = Server::on_a_thread(move |stop| count_packets(&socket, &counted, stop));
        Ok(Self { received, _server: server })
    }

    /// Bytes that have arrived until now: goodput.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

fn count_packets(socket: &UdpSocket, received: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    socket.set_read_timeout(Some(WAKE))?;
    let mut packet = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(length) = socket.recv(&mut packet) {
            received.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
