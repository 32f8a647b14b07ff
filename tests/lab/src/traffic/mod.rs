//! The traffic that a scene plays: a call, short requests, and (by iperf3) bulk.

mod call;
mod iperf;
mod percentile;
mod web;

pub use call::{Call, CallOptions, Echo, serve_echo};
pub use iperf::{Arrived, Congestion, Iperf, IperfOptions, Load};
pub use percentile::{Sample, Summary};
pub use web::{Web, WebOptions, WebServer, serve_web};
