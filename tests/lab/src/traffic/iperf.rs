//! Bulk and steady loads by iperf3, measured where they arrive.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::netns::Netns;
use crate::process::Process;

/// Bytes that a TCP stream counts at once. The default of 128 KiB is a second of one of 30 streams on a slow link.
const TCP_BLOCK: &str = "8K";
/// iperf3 needs this long to exchange results over a full link.
const GRACE: Duration = Duration::from_secs(15);
const LISTEN_LIMIT: Duration = Duration::from_secs(5);

/// Payload of a UDP packet.
const UDP_PAYLOAD_BYTES: u64 = 1200;
/// The same packet as an Ethernet frame over IPv4.
const UDP_FRAME_BYTES: u64 = UDP_PAYLOAD_BYTES + 42;

/// TCP's congestion control. The machine's default is never relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438.
    Cubic,
    /// BBR.
    Bbr,
}

/// What to send.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// As many TCP streams, as fast as they go.
    Tcp {
        /// How many.
        streams: u8,
        /// Their congestion control.
        congestion: Congestion,
    },
    /// UDP at a steady rate.
    Udp {
        /// Bits per second of payload.
        rate_bits: u64,
    },
}

/// How to run iperf3.
#[derive(Debug, Clone, Copy)]
pub struct IperfOptions {
    /// What to send.
    pub load: Load,
    /// Where to; also the address that the server listens at. Each run needs a port of its own.
    pub to: SocketAddr,
    /// For how long.
    pub length: Duration,
    /// The IP type-of-service byte: 0x20 is the class CS1 (background).
    pub type_of_service: u8,
}

impl IperfOptions {
    /// TCP streams by CUBIC.
    #[must_use]
    pub fn cubic(to: SocketAddr, streams: u8, length: Duration) -> Self {
        Self { load: Load::Tcp { streams, congestion: Congestion::Cubic }, to, length, type_of_service: 0 }
    }

    /// The payload of a UDP load over IPv4 that takes this rate on the wire.
    #[must_use]
    pub fn udp_payload(wire_bits: u64) -> u64 {
        wire_bits * UDP_PAYLOAD_BYTES / UDP_FRAME_BYTES
    }

    /// What a UDP load over IPv4 of this payload takes on the wire.
    #[must_use]
    pub fn udp_on_wire(payload: f64) -> f64 {
        #[allow(clippy::cast_precision_loss)] // two small numbers
        let ratio = UDP_FRAME_BYTES as f64 / UDP_PAYLOAD_BYTES as f64;
        payload * ratio
    }

    /// A steady UDP load, its rate that of the payload.
    #[must_use]
    pub fn udp(to: SocketAddr, rate_bits: u64, length: Duration) -> Self {
        Self { load: Load::Udp { rate_bits }, to, length, type_of_service: 0 }
    }
}

/// A running iperf3: its client in one namespace, its server in another.
#[derive(Debug)]
pub struct Iperf {
    started: Instant,
    length: Duration,
    client: Process,
    server: Process,
}

/// What arrived, in steps of a tenth of a second.
#[derive(Debug, Clone)]
pub struct Arrived {
    started: Instant,
    intervals: Vec<Interval>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Interval {
    start: f64,
    end: f64,
    bytes: f64,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    intervals: Vec<ReportInterval>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct ReportInterval {
    sum: Interval,
}

impl Iperf {
    /// Starts a server in `server` and a client in `client`.
    pub fn start(client: &Netns, server: &Netns, options: &IperfOptions) -> Result<Self> {
        let port = options.to.port().to_string();
        let host = options.to.ip().to_string();
        let mut listen = Command::new("iperf3");
        listen.args(["-s", "-1", "-J", "-i", "0.1", "-B", &host, "-p", &port]);
        let server_process = server.spawn(listen)?;
        wait_listening(server, options.to)?;

        let mut call = Command::new("iperf3");
        call.args(["-c", &host, "-p", &port, "-i", "0", "-t", &options.length.as_secs().to_string()]);
        match options.load {
            Load::Tcp { streams, congestion } => {
                let name = if congestion == Congestion::Cubic { "cubic" } else { "bbr" };
                call.args(["-C", name, "-P", &streams.to_string(), "-l", TCP_BLOCK]);
            }
            Load::Udp { rate_bits } => {
                call.args(["-u", "-b", &rate_bits.to_string(), "-l", &UDP_PAYLOAD_BYTES.to_string()]);
            }
        }
        if options.type_of_service != 0 {
            call.args(["-S", &options.type_of_service.to_string()]);
        }
        let started = Instant::now();
        Ok(Self { started, length: options.length, client: client.spawn(call)?, server: server_process })
    }

    /// Waits to the end of its time and returns what arrived.
    pub fn finish(self) -> Result<Arrived> {
        let limit = self.length.saturating_sub(self.started.elapsed()) + GRACE;
        self.client.wait_ok(limit)?;
        let report = self.server.wait(GRACE)?;
        Arrived::parse(&report.stdout, self.started)
            .with_context(|| format!("iperf3's report:\n{}{}", report.stdout, report.stderr))
    }
}

/// Waits until the server listens, by the kernel's own table: a trial connection would use it up.
fn wait_listening(ns: &Netns, at: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + LISTEN_LIMIT;
    let suffix = format!(":{:04X}", at.port());
    ns.enter(|| {
        loop {
            let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/thread-self/net/{table}")));
            let listening = tables.iter().flatten().flat_map(|table| table.lines()).any(|line| {
                let mut columns = line.split_whitespace().skip(1);
                // Local address, remote address, state; 0A is TCP_LISTEN (proc_net_tcp).
                columns.next().is_some_and(|local| local.ends_with(&suffix)) && columns.nth(1) == Some("0A")
            });
            if listening {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "iperf3 does not listen at {at} after {LISTEN_LIMIT:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    })
}

impl Arrived {
    fn parse(json: &str, started: Instant) -> Result<Self> {
        let report: Report = serde_json::from_str(json)?;
        if report.intervals.is_empty() {
            anyhow::bail!("nothing arrived: {}", report.error.unwrap_or_default());
        }
        let intervals = report.intervals.into_iter().map(|interval| interval.sum).collect();
        Ok(Self { started, intervals })
    }

    /// Mean goodput within `[from, to]`, in Mbit/s of payload.
    ///
    /// The server's clock starts when the streams are connected, some round trips after the client's
    /// start: leave that much margin on both sides.
    #[must_use]
    pub fn mbit(&self, from: Instant, to: Instant) -> f64 {
        let [from, to] = [from, to].map(|at| at.saturating_duration_since(self.started).as_secs_f64());
        let inside = self.intervals.iter().filter(|interval| interval.start >= from && interval.end <= to);
        let (bytes, seconds) =
            inside.fold((0.0, 0.0), |(b, s), interval| (b + interval.bytes, s + interval.end - interval.start));
        if seconds > 0.0 { bytes * 8.0 / seconds / 1e6 } else { 0.0 }
    }

    /// Mean goodput after the first `settle`, in Mbit/s of payload.
    #[must_use]
    pub fn mbit_after(&self, settle: Duration) -> f64 {
        self.mbit(self.started + settle, self.started + Duration::from_hours(24))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goodput_is_of_the_window() {
        let json = r#"{"intervals": [
            {"sum": {"start": 0, "end": 1, "bytes": 999999}},
            {"sum": {"start": 1, "end": 2, "bytes": 250000}},
            {"sum": {"start": 2, "end": 3, "bytes": 500000}}]}"#;
        let arrived = Arrived::parse(json, Instant::now()).unwrap();
        assert!((arrived.mbit_after(Duration::from_secs(1)) - 3.0).abs() < 1e-9);
        let second = arrived.started + Duration::from_secs(1);
        assert!((arrived.mbit(second, second + Duration::from_secs(1)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn an_empty_report_is_an_error() {
        let error = Arrived::parse(r#"{"error": "the client has terminated"}"#, Instant::now()).unwrap_err();
        assert!(error.to_string().contains("terminated"), "{error}");
    }
}
