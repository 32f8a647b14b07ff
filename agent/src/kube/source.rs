//! The task that watches the API server and tells what it says.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Fuse, FusedFuture as _},
};
use kube::{Error, runtime::watcher};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};
use weir_core::{
    model::{ObjectRef, Rejection},
    snapshot::Versions,
};

use super::{
    access::{Access, AccessError},
    known::{Kind, Known, Said},
    link::{Answer, Link},
    memory::{Memory, Remembered},
    reach::Reach,
    retry::Retry,
    watches::Heard,
};
use crate::{source::Update, supervise::message};

/// How often it is looked whether it is time to ask if it is there. While a watch fails, it is asked as [`Retry`] says.
const LOOK: Duration = Duration::from_secs(1);
/// Between two questions while all is well: a connection that hangs says nothing by itself.
const ASK_SELDOM: Duration = Duration::from_secs(20);
/// Reason of a rejection: a kind of object cannot be read.
const UNREADABLE: &str = "Unreadable";
/// The whole source, as a rejection names it.
const ALL: &str = "API server";
const NOT_LISTED: &str = "not every kind of object has been listed: what was last known is in force";

/// A cluster's objects, watched until this is dropped.
#[derive(Debug)]
pub struct KubeSource {
    /// Its sender is the task's.
    updates: watch::Receiver<Option<Update>>,
    task: JoinHandle<()>,
}

impl KubeSource {
    /// Begins to watch. Comes back at once; the first update is what the file `memory` holds, if it does, and the next
    /// comes when everything has been listed, or cannot be.
    ///
    /// # Errors
    /// When there are no credentials. An API server that does not answer is no error: it is asked until it does.
    pub async fn start(access: &Access, node: &str, memory: PathBuf) -> Result<Self, AccessError> {
        let link = Link::new(access, node).await?;
        let memory = Memory::at(memory);
        let remembered = memory.read(node);
        let first = remembered.as_ref().map(|Remembered { world, since }| Update {
            world: Some(Arc::new(world.clone())),
            rejections: vec![unreadable(ALL, NOT_LISTED)],
            unreadable_since: Some(*since),
            versions: Versions::of(world),
        });
        let (sender, updates) = watch::channel(first);
        let watching = Watching {
            link,
            cluster: None,
            node: node.to_owned(),
            known: remembered.map(|remembered| Known::after(remembered.world)).unwrap_or_default(),
            reach: Reach::default(),
            is_listed: false,
            identity: Identity::Confirmed,
            memory,
            is_stored: true,
            updates: sender,
        };
        Ok(Self { updates, task: tokio::spawn(watching.run()) })
    }

    /// The updates from now on, beginning with the present one. Only the newest is kept for who is slow.
    #[must_use]
    pub fn updates(&self) -> watch::Receiver<Option<Update>> {
        let mut updates = self.updates.clone();
        updates.mark_changed();
        updates
    }

    /// Waits until the task ends, which it does not do by itself, and returns how it ended.
    pub async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.task).await.map_err(JoinError::try_into_panic) {
            Err(Ok(panic)) => anyhow!("the task that watches the API server panicked: {}", message(panic.as_ref())),
            Ok(()) | Err(Err(_)) => anyhow!("the task that watches the API server ended by itself"),
        }
    }
}

impl Drop for KubeSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watching {
    link: Link,
    /// The cluster that the lists are of, once it has said which it is.
    cluster: Option<String>,
    node: String,
    known: Known,
    reach: Reach,
    /// Whether it has been said that everything is listed.
    is_listed: bool,
    identity: Identity,
    memory: Memory,
    /// Whether the memory has what is in force.
    is_stored: bool,
    updates: watch::Sender<Option<Update>>,
}

/// Whether the API server is known to be the same cluster's as before. One that has lost its objects lists none, and that
/// must not remove what is enforced, so its identity is confirmed after each list that replaces an earlier one, before
/// the list takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// As far as is known.
    Confirmed,
    /// To be asked at once.
    Doubted,
    /// Asked, and not answered yet.
    Asked,
}

/// The question whether the API server is there, while there is no answer yet.
type Asking = Fuse<BoxFuture<'static, Answer>>;

impl Watching {
    async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asking: Asking = self.link.ask().boxed().fuse();
        let (mut asked, mut retry, mut wait) = (Instant::now(), Retry::default(), Duration::ZERO);
        loop {
            let changed = tokio::select! {
                heard = self.link.said.next() => {
                    let Some(heard) = heard else { return };
                    let mut changed = self.hear(heard);
                    // What has come by now is one change.
                    while let Some(Some(heard)) = self.link.said.next().now_or_never() {
                        changed |= self.hear(heard);
                    }
                    if self.identity == Identity::Doubted {
                        self.identity = Identity::Asked;
                        asked = Instant::now();
                        asking = self.link.ask().boxed().fuse();
                    }
                    changed
                }
                answer = &mut asking, if !asking.is_terminated() => self.take(answer).await,
                _ = look.tick() => {
                    self.store();
                    let fails = self.reach.since().is_some() || self.identity != Identity::Confirmed;
                    if !fails {
                        (retry, wait) = (Retry::default(), Duration::ZERO);
                    }
                    if asking.is_terminated() && asked.elapsed() >= if fails { wait } else { ASK_SELDOM } {
                        asked = Instant::now();
                        if fails {
                            wait = retry.next().unwrap_or(ASK_SELDOM);
                        }
                        self.look_at_credentials().await;
                        asking = self.link.ask().boxed().fuse();
                    }
                    false
                }
            };
            if !changed {
                continue;
            }
            self.tell();
            if !self.is_listed && self.known.missing().next().is_none() {
                self.is_listed = true;
                self.store();
                info!("every kind of object has been listed");
            }
        }
    }

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
                if matches!(said, Said::End) && self.known.is_listed(kind) {
                    self.identity = Identity::Doubted;
                }
                let changed = self.known.hear(kind, said);
                changed && self.identity == Identity::Confirmed || recovered
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

    /// Takes the answer to the question whether the API server is there; whether there is something to tell.
    async fn take(&mut self, answer: Answer) -> bool {
        let cluster = match answer {
            Answer::Here(cluster) => cluster,
            Answer::Silent(why) => return self.reach.silent(why, Instant::now()),
        };
        let (was_silent, was_failing) = (self.reach.is_silent(), self.reach.since().is_some());
        self.reach.answered(Instant::now());
        let is_another = cluster.is_some() && self.cluster.is_some() && cluster != self.cluster;
        // An API server that has lost its objects may not have the one yet that says which cluster it is.
        let is_confirmed = cluster.is_some() || self.cluster.is_none();
        let was_doubted = is_confirmed && self.identity != Identity::Confirmed;
        if was_doubted {
            self.identity = Identity::Confirmed;
        }
        self.cluster = cluster.or_else(|| self.cluster.take());
        if is_another {
            warn!(
                "the API server is another cluster's, or has lost its objects: all is listed again, and what is known stays in force until then"
            );
            self.known.start_over();
            self.is_listed = false;
        }
        if is_another || was_silent {
            self.begin_anew().await;
        }
        if self.reach.since().is_none() && self.is_stored && self.known.missing().next().is_none() {
            self.memory.confirm();
        }
        is_another || was_doubted || was_failing && self.reach.since().is_none()
    }

    async fn look_at_credentials(&mut self) {
        if self.link.has_new_credentials() {
            info!("the credentials for the API server have changed");
            self.begin_anew().await;
        }
    }

    /// Connects and lists again.
    async fn begin_anew(&mut self) {
        if let Err(error) = self.link.renew().await {
            warn!(%error, "the client of before is used until the credentials change");
        }
    }

    /// Tells what is known, if it is news. Until everything has been listed that is what was in force before.
    fn tell(&mut self) {
        let known = if self.identity == Identity::Confirmed { self.known.world() } else { None };
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
                let mut since = before.as_ref().and_then(|before| before.unreadable_since).or(since);
                if known_before.is_some() {
                    // What is in force was another's, an earlier agent's or another cluster's.
                    since = since.or_else(|| Some(Instant::now()));
                    failures.push(unreadable(ALL, NOT_LISTED));
                }
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
impl Drop for Watching {
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

#[cfg(test)]
mod tests;
