//! The task that keeps this node's `WeirNode`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use k8s_openapi::{
    api::core::v1::Node,
    apimachinery::pkg::apis::meta::v1::{OwnerReference, Time},
    jiff::Timestamp,
};
use kube::{Api, Client, api::ListParams};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use weir_api::objects::{WeirNode, WeirNodeSpec, WeirNodeStatus};
use weir_core::snapshot::Snapshot;

use super::{
    Complaint, Connection,
    events::PodEvents,
    node::{self, NodeFacts},
    rate::RatePace,
    write,
};
use crate::{
    kube::{access::Access, retry::Retry},
    serve::{SnapshotSource, snapshots::Unavailable},
};

/// Writes are at least this far apart.
const APART: Duration = Duration::from_secs(1);
/// How often it is said that the agent lives, though nothing has changed.
const HEARTBEAT: Duration = Duration::from_mins(5);
/// How often it is looked whether something has changed that no round leads to: rates.
const LOOK: Duration = Duration::from_secs(30);
/// How long the source may take to list everything before it is said that it has not.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Own {
    connection: Connection,
    node: String,
    facts: NodeFacts,
    snapshots: SnapshotSource,
    rounds: watch::Receiver<u64>,
    events: PodEvents,
    rates: RatePace,
    stored: Option<Stored>,
    start: Instant,
}

/// The object as it stands at the API server.
struct Stored {
    status: WeirNodeStatus,
    since: Instant,
}

impl Own {
    pub(super) fn new(
        access: Access,
        node: String,
        facts: NodeFacts,
        snapshots: SnapshotSource,
        rounds: watch::Receiver<u64>,
    ) -> Self {
        let events = PodEvents::of(&node);
        Self {
            connection: Connection::by(access),
            node,
            facts,
            snapshots,
            rounds,
            events,
            rates: RatePace::default(),
            stored: None,
            start: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut complaint, mut retry) = (Complaint::default(), Retry::default());
        let mut wait = PATIENCE;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = self.rounds.changed() => if changed.is_err() { return Ok(()) },
                () = sleep(wait) => {}
            }
            // An API server that hangs must not hold up the agent's end.
            let looked = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                looked = self.look() => looked,
            };
            let pause;
            (pause, wait) = match looked {
                Ok(()) => {
                    complaint.settled();
                    (APART, if self.events.are_due() { PATIENCE } else { LOOK })
                }
                Err(error) => {
                    complaint.about("write this node's WeirNode", &error);
                    self.connection.forget();
                    self.stored = None;
                    (retry.next().unwrap_or(LOOK).max(APART), Duration::ZERO)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(pause) => {}
            }
        }
    }

    /// Looks at the node, and writes what has changed.
    async fn look(&mut self) -> anyhow::Result<()> {
        let snapshot = match self.snapshots.fresh().await {
            Ok(snapshot) => snapshot,
            // Whether the loop lives is for the probes to say.
            Err(Unavailable::Stopping | Unavailable::Silent) => return Ok(()),
        };
        if snapshot.reconcile.rounds == 0 && self.start.elapsed() < PATIENCE {
            return Ok(());
        }
        let client = self.connection.client().await?;
        self.write(&client, &snapshot).await?;
        self.events.see(&snapshot, Instant::now());
        self.events.publish(&client).await
    }

    async fn write(&mut self, client: &Client, snapshot: &Snapshot) -> anyhow::Result<()> {
        let stored = match self.stored.take().filter(|stored| stored.since.elapsed() < HEARTBEAT) {
            Some(stored) => stored,
            None => self.adopt(client).await?,
        };
        let now = Time(Timestamp::now());
        let wanted = node::status(&self.facts, snapshot, &stored.status, &now);
        let for_rates = node::rates_are_news(&wanted, &stored.status, self.rates, Instant::now());
        if !for_rates && !node::is_news(&wanted, &stored.status) {
            self.stored = Some(stored);
            return Ok(());
        }
        let wanted = WeirNodeStatus { reported_at: Some(now), ..wanted };
        let is_there = write::status::<WeirNode>(client, write::AGENT, &self.node, &wanted).await?;
        if is_there {
            self.stored = Some(Stored { status: wanted, since: Instant::now() });
            if for_rates {
                self.rates = RatePace::wrote(Instant::now());
            }
            return Ok(());
        }
        anyhow::bail!("the WeirNode was deleted meanwhile")
    }

    /// Makes the object if it is not there. What it says then is forgotten to have been reported, so that it is again.
    async fn adopt(&self, client: &Client) -> anyhow::Result<Stored> {
        let mut object = WeirNode::new(&self.node, WeirNodeSpec {});
        object.metadata.owner_references = self.owner(client).await?.map(|owner| vec![owner]);
        let object = write::object(client, write::AGENT, &object).await.context("cannot apply it")?;
        let status = WeirNodeStatus { reported_at: None, ..object.status.unwrap_or_default() };
        Ok(Stored { status, since: Instant::now() })
    }

    /// The Node, with which the object goes.
    async fn owner(&self, client: &Client) -> anyhow::Result<Option<OwnerReference>> {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.node));
        let found = write::answer(Api::<Node>::all(client.clone()).list_metadata(&only)).await?;
        let uid = found.items.into_iter().next().and_then(|node| node.metadata.uid);
        Ok(uid.map(|uid| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.clone(),
            uid,
            ..OwnerReference::default()
        }))
    }
}
