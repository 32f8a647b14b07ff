//! Ports that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

use crate::place::Place;

/// Below the range from which Linux takes the ports of outgoing connections (`ip_local_port_range`,
/// from 32768), so that none of them takes the port of an API server that is stopped for a while.
const RANGE: Range<u16> = 20_000..32_000;
/// How far apart processes with neighbouring ids begin: more than the ports that one of them uses.
const STRIDE: u32 = 97;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 that is free and that this process did not give to anybody before.
pub(crate) fn free(place: &Place) -> Result<u16> {
    place.enter(|| {
        for _ in RANGE {
            let port = next();
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        bail!("no port from {} to {} is free on 127.0.0.1", RANGE.start, RANGE.end - 1)
    })
}

fn next() -> u16 {
    let number = process::id().wrapping_mul(STRIDE).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
    let offset = number % u32::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{RANGE, free};
    use crate::place::Place;

    #[test]
    fn ports_are_given_once() {
        let [one, other] = [(); 2].map(|()| free(&Place::default()).unwrap());
        assert!(one != other && RANGE.contains(&one) && RANGE.contains(&other), "{one} {other}");
    }
}
