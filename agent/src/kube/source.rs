//! The task that watches the API server and tells what it says.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{Client, Error, runtime::watcher};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{info, warn};
use weir_core::{
    model::{ObjectRef, Rejection},
    snapshot::Versions,
};

use super::{
    access::{Access, AccessError},
    known::{Kind, Known, Said},
    memory::{Memory, Remembered},
    reach::Reach,
    watches::{self, Heard},
};
use crate::source::Update;

/// How often it is asked whether it is there while a watch fails.
const ASK: Duration = Duration::from_secs(1);
/// How many of those pass between two questions while all is well: a connection that hangs says nothing by itself.
const ASK_SELDOM: u32 = 20;
const ANSWER: Duration = Duration::from_secs(5);
/// Reason of a rejection: a kind of object cannot be read.
const UNREADABLE: &str = "Unreadable";
/// The whole source, as a rejection names it.
const ALL: &str = "API server";

/// A cluster's objects, watched until this is dropped.
#[derive(Debug)]
pub struct KubeSource {
    updates: watch::Sender<Option<Update>>,
    task: JoinHandle<()>,
}

impl KubeSource {
    /// Begins to watch. Comes back at once; the first update is what the file `memory` holds, if it does, and the next
    /// comes when everything has been listed, or cannot be.
    ///
    /// # Errors
    /// When there are no credentials. An API server that does not answer is no error: it is asked until it does.
    pub async fn start(access: &Access, node: &str, memory: PathBuf) -> Result<Self, AccessError> {
        let client = access.client().await?;
        let memory = Memory::at(memory);
        let remembered = memory.read(node);
        let first = remembered.as_ref().map(|Remembered { world, since }| Update {
            world: Some(Arc::new(world.clone())),
            rejections: vec![unreadable(
                ALL,
                "not everything has been listed since this agent's start: what was last known is in force",
            )],
            unreadable_since: Some(*since),
            versions: Versions::of(world),
        });
        let (updates, _) = watch::channel(first);
        let watching = Watching {
            said: watches::all(&client, node),
            client,
            node: node.to_owned(),
            known: remembered.map(|remembered| Known::after(remembered.world)).unwrap_or_default(),
            reach: Reach::default(),
            memory,
            is_stored: true,
            updates: updates.clone(),
        };
        Ok(Self { updates, task: tokio::spawn(watching.run()) })
    }

    /// The updates from now on, beginning with the present one. Only the newest is kept for who is slow.
    #[must_use]
    pub fn updates(&self) -> watch::Receiver<Option<Update>> {
        let mut updates = self.updates.subscribe();
        updates.mark_changed();
        updates
    }
}

impl Drop for KubeSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watching<S> {
    client: Client,
    said: S,
    node: String,
    known: Known,
    reach: Reach,
    memory: Memory,
    /// Whether the memory has what is in force.
    is_stored: bool,
    updates: watch::Sender<Option<Update>>,
}

impl<S> Watching<S> {
    /// Keeps what is in force for the next agent, if it has changed.
    fn store(&mut self) {
        if self.is_stored {
            return;
        }
        let world = self.updates.borrow().as_ref().and_then(|update| update.world.clone());
        if let Some(world) = world {
            self.memory.write(&self.node, &world);
            self.is_stored = true;
        }
    }
}

impl<S: Stream<Item = Heard> + Unpin> Watching<S> {
    async fn run(mut self) {
        let mut ask = interval(ASK);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = 0;
        let mut told = false;
        loop {
            tokio::select! {
                heard = self.said.next() => {
                    let Some(heard) = heard else { return };
                    let mut changed = self.hear(heard);
                    // What has come by now is one change.
                    while let Some(Some(heard)) = self.said.next().now_or_never() {
                        changed |= self.hear(heard);
                    }
                    if !changed {
                        continue;
                    }
                }
                _ = ask.tick() => {
                    self.store();
                    asked += 1;
                    if self.reach.since().is_none() && asked < ASK_SELDOM {
                        continue;
                    }
                    asked = 0;
                    if !self.ask().await {
                        continue;
                    }
                }
            }
            self.tell();
            if !told && self.known.missing().next().is_none() {
                told = true;
                self.store();
                info!("every kind of object has been listed");
            }
        }
    }

    /// Takes note; whether there is something to tell.
    fn hear(&mut self, (kind, heard): Heard) -> bool {
        let was_failing = self.reach.since().is_some();
        match heard {
            Ok(said) => {
                // A list that begins has not been answered yet.
                if !matches!(said, Said::Begin) {
                    self.reach.spoke(kind);
                }
                let recovered = was_failing && self.reach.since().is_none();
                self.known.hear(kind, said) || recovered
            }
            Err(error) => {
                let message = explain(kind, &error);
                let news = self.reach.failed(kind, &message, Instant::now());
                if news {
                    warn!(kind = kind.name(), error = message, "cannot watch; what is known stays in force");
                }
                news
            }
        }
    }

    /// Asks the API server whether it is there; whether there is something to tell.
    async fn ask(&mut self) -> bool {
        let answer = timeout(ANSWER, self.client.apiserver_version()).await;
        let was_failing = self.reach.since().is_some();
        match answer {
            // A refusal is an answer too.
            Ok(Ok(_) | Err(Error::Api(_))) => {
                self.reach.answered(Instant::now());
                if self.reach.since().is_none() && self.is_stored && self.known.missing().next().is_none() {
                    self.memory.confirm();
                }
                was_failing && self.reach.since().is_none()
            }
            Ok(Err(error)) => self.reach.silent(format!("it cannot be reached: {error}"), Instant::now()),
            Err(_) => self.reach.silent(format!("it has not answered for {ANSWER:?}"), Instant::now()),
        }
    }

    /// Tells what is known, if it is news. Until everything has been listed that is what was in force before.
    fn tell(&mut self) {
        let known = self.known.world();
        let versions = self.known.versions();
        let mut failures: Vec<Rejection> =
            self.reach.failures().map(|(name, message)| unreadable(name, message)).collect();
        let is_stored = &mut self.is_stored;
        let since = self.reach.since();
        self.updates.send_if_modified(|current| {
            let before = current.clone();
            let known_before = before.as_ref().and_then(|before| before.world.clone());
            let update = if let Some((world, mut rejections)) = known {
                rejections.append(&mut failures);
                let same = known_before.filter(|before| **before == world);
                *is_stored &= same.is_some();
                let world = Some(same.unwrap_or_else(|| Arc::new(world)));
                Update { world, rejections, unreadable_since: since, versions }
            } else {
                let since = before.as_ref().and_then(|before| before.unreadable_since).or(since);
                Update { world: known_before, rejections: failures, unreadable_since: since, versions }
            };
            let news = before.as_ref() != Some(&update);
            *current = Some(update);
            news
        });
    }
}

fn unreadable(what: &str, message: &str) -> Rejection {
    Rejection {
        object: ObjectRef { kind: "Source".to_owned(), name: what.to_owned() },
        location: None,
        reason: UNREADABLE.to_owned(),
        message: message.to_owned(),
    }
}

/// What changed since the last time is kept when the agent ends, too.
impl<S> Drop for Watching<S> {
    fn drop(&mut self) {
        self.store();
    }
}

/// What went wrong, and what a person can do where that is known.
fn explain(kind: Kind, error: &watcher::Error) -> String {
    let (watcher::Error::InitialListFailed(Error::Api(status))
    | watcher::Error::WatchStartFailed(Error::Api(status))
    | watcher::Error::WatchFailed(Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return error.to_string();
    };
    let name = kind.name();
    let remedy = match status.code {
        403 => format!("; grant the agent's service account `list` and `watch` on {name}"),
        404 => format!("; apply the definitions of {name}: `weir crds | kubectl apply -f -`"),
        401 => "; its credentials are not valid, or no longer".to_owned(),
        _ => String::new(),
    };
    format!("{}{remedy}", status.message)
}
