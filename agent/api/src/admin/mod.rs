//! The admin API: what a person asks a node's agent over its unix socket.
//!
//! The messages are in `proto/weir/admin/v1/admin.proto`. [`snapshot`] and [`explain_pod`] fill them from what the agent
//! knows; the server stands in the agent, the client in the command line.

mod convert;
mod explain;
mod pod;

/// Messages, client and server of `weir.admin.v1`, generated.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("weir.admin.v1");
}

pub use convert::snapshot;
pub use explain::{UnknownPod, explain_pod};

/// Where the agent serves the admin API unless it is told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/weir/weir.sock";
/// The environment variable that names another socket to the command line.
pub const SOCKET_ENV: &str = "WEIR_SOCKET";
/// Time between two snapshots of `WatchSnapshots` where the client asks for none, in ns.
pub const DEFAULT_INTERVAL_NS: u64 = 1_000_000_000;
/// The shortest time between two snapshots of `WatchSnapshots`, in ns.
pub const MIN_INTERVAL_NS: u64 = 100_000_000;

#[cfg(test)]
mod example;
