//! Bulk that goes on and on, as a container sends it: TCP streams to a server that takes everything.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};

/// How long a thread waits before it looks whether to stop, or tries again.
const WAKE: Duration = Duration::from_millis(200);
/// How long a connection may take: a full buffer delays or loses its first packet.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const BLOCK_BYTES: usize = 16 << 10;

/// Takes whatever connections bring and counts its bytes, until told to stop.
pub fn serve_sink(listener: &TcpListener, received: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    listener.set_nonblocking(true)?;
    std::thread::scope(|scope| {
        while !stop.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => {
                    scope.spawn(move || take(stream, received, stop));
                }
                Err(_) => std::thread::sleep(WAKE / 10),
            }
        }
    });
    Ok(())
}

fn take(mut stream: TcpStream, received: &AtomicU64, stop: &AtomicBool) {
    let set = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(WAKE)));
    let mut block = vec![0; BLOCK_BYTES];
    while set.is_ok() && !stop.load(Ordering::Relaxed) {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                received.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => break,
        }
    }
}

/// Sends on this many streams (CUBIC, RFC 9438) from the calling thread's namespace until told to stop.
/// A stream that breaks is begun anew.
pub fn send_bulk(to: SocketAddr, streams: u8, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        for _ in 0..streams {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // The only way on from a broken stream is the next one.
                    if send(to, stop).is_err() {
                        std::thread::sleep(WAKE);
                    }
                }
            });
        }
    });
}

fn send(to: SocketAddr, stop: &AtomicBool) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, CONNECT_LIMIT).with_context(|| format!("no way to {to}"))?;
    setsockopt(&stream, TcpCongestion, &"cubic".into()).context("the kernel has no cubic")?;
    // Nobody reads a connection that is not accepted any more.
    stream.set_write_timeout(Some(WAKE))?;
    let block = vec![0; BLOCK_BYTES];
    while !stop.load(Ordering::Relaxed) {
        match stream.write(&block) {
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_sent_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let (received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        std::thread::scope(|scope| {
            scope.spawn(|| serve_sink(&listener, &received, &stop).unwrap());
            scope.spawn(|| send_bulk(to, 2, &stop));
            while received.load(Ordering::Relaxed) < 1 << 20 {
                std::thread::sleep(WAKE / 10);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
