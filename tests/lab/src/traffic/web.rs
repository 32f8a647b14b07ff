//! Short TCP requests, as an upload of a form or an API call makes them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::percentile::Sample;
use crate::netns::Netns;

const WAKE: Duration = Duration::from_millis(20);
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The size and pace of the requests.
#[derive(Debug, Clone, Copy)]
pub struct WebOptions {
    /// Bytes that a request sends up.
    pub bytes: usize,
    /// From the start of one request to the start of the next, if it is done by then.
    pub every: Duration,
}

impl Default for WebOptions {
    /// 10 kB (one initial window of TCP, RFC 6928), five times a second.
    fn default() -> Self {
        Self { bytes: 10_000, every: Duration::from_millis(200) }
    }
}

/// Takes each connection's bytes to their end and answers with a short line, until told to stop.
pub fn serve_web(listener: &TcpListener, stop: &AtomicBool) -> Result<()> {
    listener.set_nonblocking(true)?;
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                std::thread::spawn(move || answer(stream));
            }
            Err(_) => std::thread::sleep(Duration::from_micros(500)),
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    stream.write_all(b"done\n")
}

/// A running series of requests, one after the other.
#[derive(Debug)]
pub struct Web {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Web {
    /// Starts requests to `to` from inside the namespace.
    #[must_use]
    pub fn start(ns: &Netns, to: SocketAddr, options: WebOptions) -> Self {
        let (samples, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (series, stopped) = (Arc::clone(&samples), Arc::clone(&stop));
        let thread = ns.handle().thread(move || {
            request_all(to, options, &series, &stopped);
            Ok(())
        });
        Self { samples, stop, thread: Some(thread) }
    }

    /// Makes requests from the calling thread's namespace for this long.
    #[must_use]
    pub fn run_here(to: SocketAddr, options: WebOptions, length: Duration) -> Vec<Sample> {
        let (samples, stop) = (Mutex::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let requests = scope.spawn(|| request_all(to, options, &samples, &stop));
            std::thread::sleep(length);
            stop.store(true, Ordering::Relaxed);
            requests.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        samples.into_inner().expect("no requester panics")
    }

    /// The requests that ended until now, from number `first` on.
    #[must_use]
    pub fn since(&self, first: usize) -> Vec<Sample> {
        self.samples.lock().expect("no requester panics").get(first..).unwrap_or_default().to_vec()
    }

    /// Lets the last request end and returns all of them.
    pub fn finish(mut self) -> Result<Vec<Sample>> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(self.since(0))
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn request_all(to: SocketAddr, options: WebOptions, samples: &Mutex<Vec<Sample>>, stop: &AtomicBool) {
    let body = vec![0x2e; options.bytes];
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let delay = request(to, &body).is_ok().then(|| sent.elapsed());
        samples.lock().expect("nobody panics").push(Sample { sent, delay });
        while sent.elapsed() < options.every && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(WAKE.min(options.every.saturating_sub(sent.elapsed())));
        }
    }
}

fn request(to: SocketAddr, body: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, REQUEST_LIMIT)?;
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    stream.set_write_timeout(Some(REQUEST_LIMIT))?;
    stream.set_nodelay(true)?;
    stream.write_all(body)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer == b"done\n" { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Summary;

    #[test]
    fn requests_over_loopback_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let server = std::thread::spawn(move || serve_web(&listener, &stopped));
        let options = WebOptions { bytes: 10_000, every: Duration::from_millis(10) };
        let samples = Web::run_here(at, options, Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        server.join().unwrap().unwrap();
        let summary = Summary::of_all(&samples);
        assert!(summary.count > 1 && summary.lost == 0, "{summary:?}");
    }
}
