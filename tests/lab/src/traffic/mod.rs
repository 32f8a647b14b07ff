//! The traffic that a scene plays: a call, short requests, and (by iperf3) bulk.

mod call;
mod iperf;
mod percentile;
mod server;
mod web;

pub use call::{Call, CallOptions, serve_echo};
pub use iperf::{Arrived, Congestion, Iperf, IperfOptions, Load};
pub use percentile::{Sample, Summary};
pub use server::Server;
pub use web::{Web, WebOptions, serve_web};
