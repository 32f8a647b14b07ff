//! What the agent answers: the admin API on a unix socket, and metrics and health over HTTP.
//!
//! [`Listeners::bind`] takes both addresses before anything in the kernel is touched, so that a second agent or a port in
//! use ends the start early. [`serve`] then answers until it is told to stop. Every answer is made from a snapshot that
//! the reconcile loop takes for it ([`snapshots`]), so that no figure is older than the question.

mod admin;
mod connections;
pub mod health;
mod http;
mod metrics;
pub mod snapshots;
mod socket;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context;
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use health::Health;
pub use snapshots::{SnapshotRequest, SnapshotSource, snapshot_channel};

use crate::config::Listen;
use socket::AdminSocket;

/// How long requests that are under way may take once the agent stops.
const GRACE: Duration = Duration::from_secs(2);

/// What is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// Gives the node's state.
    pub snapshots: SnapshotSource,
    /// Whether the agent lives and has tried to put the policy in force.
    pub health: Health,
    /// Release of the running kernel (`uname -r`).
    pub kernel: String,
}

/// The addresses that the agent answers on, taken.
#[derive(Debug)]
pub struct Listeners {
    admin: AdminSocket,
    http: TcpListener,
}

impl Listeners {
    /// Takes both addresses. Fails where another agent answers on the socket or the port is in use.
    pub async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        let http = TcpListener::bind(listen.http).await.with_context(|| {
            format!("cannot listen on {} (listen.http): take another port, or end the program that has it", listen.http)
        })?;
        let admin = AdminSocket::bind(&listen.admin).await?;
        Ok(Self { admin, http })
    }

    /// The address that HTTP is served on: with the port that was chosen where the configured one is 0.
    pub fn http_address(&self) -> anyhow::Result<SocketAddr> {
        self.http.local_addr().context("the HTTP listener has no address")
    }

    /// The path of the admin socket.
    #[must_use]
    pub fn admin_path(&self) -> &Path {
        self.admin.path()
    }
}

/// Answers until `stop` is cancelled. Takes the socket's file away at the end.
pub async fn serve(listeners: Listeners, served: Served, stop: CancellationToken) -> anyhow::Result<()> {
    let Listeners { admin, http } = listeners;
    let (admin, _file) = admin.into_listener();
    let answering = async {
        let admin = admin::serve(admin, served.clone(), stop.clone()).map(Ok);
        tokio::try_join!(admin, http::serve(http, served.clone(), stop.clone()))
    };
    let past_grace = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = answering => done.map(|_| ()),
        () = past_grace => {
            tracing::info!("some clients were still being answered at the end");
            Ok(())
        }
    }
}
