//! The traffic that a scene plays: a call, short requests, and bulk (by iperf3, by a torrent client, or by a container).

mod bulk;
mod call;
mod iperf;
mod percentile;
mod server;
mod swarm;
mod web;

pub use bulk::{send_bulk, serve_sink};
pub use call::{Call, CallOptions, serve_echo};
pub use iperf::{Arrived, Congestion, Iperf, IperfOptions, Load};
pub use percentile::{Sample, Summary};
pub use server::{Server, Sink};
pub use swarm::{Swarm, SwarmOptions, Transport};
pub use web::{Web, WebOptions, serve_web};
