//! The traffic tools as commands, in the namespace that they are started in.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use weir_lab::traffic::{Call, CallOptions, Sample, Summary, Web, WebOptions, send_bulk, serve_echo, serve_web};

/// A traffic tool.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Answer every UDP packet by itself, until killed.
    Echo(Server),
    /// Send UDP packets to an echo server at a steady rate and print their round-trip times.
    Probe(Probe),
    /// Send bulk over TCP, until killed.
    Bulk(Bulk),
    /// Do nothing, until killed.
    Pause,
    /// Take short TCP requests, until killed.
    WebServer(Server),
    /// Make short TCP requests, one after the other, and print how long each took.
    Web(WebClient),
}

/// The bulk.
#[derive(Debug, Args)]
pub(crate) struct Bulk {
    /// Address and port of a server that takes it
    to: SocketAddr,
    /// How many streams
    #[arg(long, default_value_t = 8)]
    streams: u8,
}

/// Where to listen.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Address and port, such as 0.0.0.0:7000
    at: SocketAddr,
}

/// The UDP probe.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Address and port of the echo server
    to: SocketAddr,
    /// Packets per second
    #[arg(long, default_value_t = CallOptions::default().rate)]
    rate: u32,
    /// Bytes of payload
    #[arg(long, default_value_t = CallOptions::default().size)]
    size: usize,
    /// Send these bytes as one burst of packets with so much payload each, by segmentation offload; 0 for one packet
    #[arg(long, default_value_t = 0)]
    segment: u16,
    #[command(flatten)]
    series: Series,
}

/// The TCP requests.
#[derive(Debug, Args)]
pub(crate) struct WebClient {
    /// Address and port of the server
    to: SocketAddr,
    /// Bytes that a request sends
    #[arg(long, default_value_t = WebOptions::default().bytes)]
    bytes: usize,
    /// Milliseconds from one request to the next
    #[arg(long, default_value_t = 200)]
    every_ms: u64,
    #[command(flatten)]
    series: Series,
}

/// How long, and what to print.
#[derive(Debug, Args)]
pub(crate) struct Series {
    /// For how many seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Print every sample too: seconds since the start, milliseconds of delay
    #[arg(long)]
    series: bool,
}

impl Tool {
    /// Runs the tool to its end.
    pub(crate) fn run(self) -> Result<()> {
        let forever = AtomicBool::new(false);
        match self {
            Self::Echo(server) => {
                let socket =
                    UdpSocket::bind(server.at).with_context(|| format!("cannot listen at udp {}", server.at))?;
                serve_echo(&socket, &forever)
            }
            Self::Bulk(bulk) => {
                send_bulk(bulk.to, bulk.streams, &forever);
                Ok(())
            }
            Self::Pause => loop {
                std::thread::park();
            },
            Self::WebServer(server) => {
                let listener =
                    TcpListener::bind(server.at).with_context(|| format!("cannot listen at tcp {}", server.at))?;
                serve_web(&listener, &forever)
            }
            Self::Probe(probe) => {
                let call = Call::start_here(
                    probe.to,
                    CallOptions { rate: probe.rate, size: probe.size, segment: probe.segment },
                )?;
                std::thread::sleep(Duration::from_secs(probe.series.seconds));
                print(&call.finish()?, probe.series.series)
            }
            Self::Web(web) => {
                let options = WebOptions { bytes: web.bytes, every: Duration::from_millis(web.every_ms) };
                let samples = Web::run_here(web.to, options, Duration::from_secs(web.series.seconds));
                print(&samples, web.series.series)
            }
        }
    }
}

fn print(samples: &[Sample], with_series: bool) -> Result<()> {
    let mut result = serde_json::to_value(Summary::of_all(samples))?;
    if with_series && let Some(first) = samples.first() {
        result["series"] = samples.iter().map(|sample| point(sample, first.sent)).collect();
    }
    println!("{result}");
    Ok(())
}

fn point(sample: &Sample, start: Instant) -> Value {
    json!([(sample.sent - start).as_secs_f64(), sample.delay.map(|delay| delay.as_secs_f64() * 1000.0)])
}
