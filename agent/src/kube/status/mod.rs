//! What the agent tells the API server: of its own node, in a `WeirNode`; of every object, in its status, where this agent
//! is the one that holds the Lease; and events, where a person should act.
//!
//! Everything is written by server-side apply, only if it differs from what stands there, and at most once a second for
//! each object. Nothing here is needed for enforcing: when the API server is away, it is tried again and again.

mod candidate;
mod cluster;
mod condition;
mod events;
mod fold;
mod lease;
mod listing;
mod node;
mod own;
mod rate;
mod turn;
mod write;

use std::{future::Future, time::Duration};

use kube::Client;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::access::Access;
use crate::{serve::SnapshotSource, source::Update, supervise::Tasks};

pub use node::NodeFacts;

/// How long the end of the agent may wait for the API server.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is told, and where it comes from.
pub struct Reporting {
    /// How the API server is reached.
    pub access: Access,
    /// This node's name.
    pub node: String,
    /// What does not change while the agent runs.
    pub facts: NodeFacts,
    /// Gives the node's state.
    pub snapshots: SnapshotSource,
    /// The number of the last round that ended.
    pub rounds: watch::Receiver<u64>,
    /// What the source says.
    pub updates: watch::Receiver<Option<Update>>,
}

impl Reporting {
    /// Tells until `stop` is cancelled, then lets go of the lease.
    ///
    /// # Errors
    /// When one of its tasks ends before.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { access, node, facts, snapshots, rounds, updates } = self;
        let own = own::Own::new(access.clone(), node.clone(), facts, snapshots, rounds);
        let (candidate, held) = candidate::Candidate::new(access.clone(), &node);
        let cluster = cluster::Cluster::new(access, node, held, updates);
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("the report on this node", own.run(stop.clone()));
        tasks.spawn("the candidate for the lease", candidate.run(stop.clone()));
        tasks.spawn("the report on all nodes", cluster.run(stop));
        tasks.run().await
    }
}

/// A client that is made anew after a failure: tokens and certificates may have been replaced on disk.
struct Connection {
    access: Access,
    client: Option<Client>,
}

impl Connection {
    fn by(access: Access) -> Self {
        Self { access, client: None }
    }

    async fn client(&mut self) -> anyhow::Result<Client> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = self.access.client().await?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn forget(&mut self) {
        self.client = None;
    }
}

/// Says a failure once, until there is another or a success.
#[derive(Default)]
struct Complaint(Option<String>);

impl Complaint {
    fn about(&mut self, what: &str, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if self.0.as_ref() != Some(&text) {
            warn!(error = text, "cannot {what}; enforcing goes on, and it is tried again");
            self.0 = Some(text);
        }
    }

    fn settled(&mut self) {
        self.0 = None;
    }
}

/// Ends an action once `stop` is cancelled and the goodbye has taken too long.
async fn briefly<F: Future>(action: F) -> Option<F::Output> {
    timeout(GOODBYE, action).await.ok()
}
