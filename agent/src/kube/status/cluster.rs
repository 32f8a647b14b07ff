//! The task of the agent that holds the Lease: folds what all nodes say into the status of each object.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{
    FutureExt as _, StreamExt as _,
    stream::{BoxStream, select_all},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt as _,
        events::{EventType, Recorder},
        watcher::{self, Config, Event, watcher},
    },
};
use serde::{Deserialize as _, de::IntoDeserializer as _};
use tokio::{
    sync::watch,
    task::yield_now,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::info;
use weir_api::objects::{ENFORCED, Status, TrafficTier, Uplink, WeirNode};
use weir_core::model::rate::parse;

use super::{
    Complaint, Connection,
    candidate::Held,
    condition::find,
    events,
    fold::{self, Kind, Now, PENDING, Report, Stored},
    listing::Listing,
    rate::RatePace,
    turn::{Due, Turn},
    write,
};
use crate::{
    kube::{access::Access, retry::Retry},
    source::Update,
};

/// How often what waits for its turn is looked at. An object is written once in this time at most.
const APART: Duration = Duration::from_secs(1);
/// How often everything is looked at though nothing was heard: agents may have become silent.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// Reports are large where there are many tiers; a page of them is held at once.
const PAGE: u32 = 50;

pub(super) struct Cluster {
    connection: Connection,
    node: String,
    held: Held,
    updates: watch::Receiver<Option<Update>>,
}

impl Cluster {
    pub(super) fn new(access: Access, node: String, held: Held, updates: watch::Receiver<Option<Update>>) -> Self {
        Self { connection: Connection::by(access), node, held, updates }
    }

    /// Folds whenever the lease is ours, until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut complaint, mut retry) = (Complaint::default(), Retry::default());
        loop {
            let folded = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                folded = self.fold() => folded,
            };
            let Err(error) = folded else {
                complaint.settled();
                retry = Retry::default();
                continue;
            };
            complaint.about("write the status of objects", &error);
            self.connection.forget();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(retry.next().unwrap_or(LOOK_AGAIN)) => {}
            }
        }
    }

    /// Waits for the lease, and folds for as long as it is ours.
    async fn fold(&mut self) -> anyhow::Result<()> {
        self.held.taken().await;
        info!("this agent holds the lease: it writes the status of uplinks and tiers");
        let client = self.connection.client().await?;
        let mut fold = Fold::begin(client, &self.node, self.held.clone());
        let mut turn = interval(APART);
        let mut look_again = interval(LOOK_AGAIN);
        let mut is_due = false;
        loop {
            tokio::select! {
                () = self.held.lost() => break,
                _ = look_again.tick() => is_due = true,
                Some(heard) = fold.heard.next() => {
                    fold.hear(heard)?;
                    while let Some(Some(heard)) = fold.heard.next().now_or_never() {
                        fold.hear(heard)?;
                    }
                    is_due = true;
                }
                Ok(()) = self.updates.changed() => is_due = true,
                _ = turn.tick(), if is_due => {
                    let update = self.updates.borrow_and_update().clone();
                    is_due = !fold.write(update.as_ref()).await?;
                }
            }
        }
        info!("this agent does not hold the lease any more");
        Ok(())
    }
}

enum Heard {
    Object(Kind, Event<(String, Stored)>),
    Node(Event<(String, Report)>),
}

/// What is stored of everything that is folded.
struct Fold {
    client: Client,
    held: Held,
    recorder: Recorder,
    heard: futures::stream::SelectAll<BoxStream<'static, Result<Heard, watcher::Error>>>,
    objects: BTreeMap<Kind, Listing<Stored>>,
    nodes: Listing<Report>,
    /// What was written and has not been heard of yet.
    written: BTreeMap<(Kind, String), Status>,
    /// When each object was written for its rate's sake last.
    rates: BTreeMap<(Kind, String), RatePace>,
    turn: Turn,
}

impl Fold {
    fn begin(client: Client, node: &str, held: Held) -> Self {
        let nodes = watcher(Api::<WeirNode>::all(client.clone()), Config::default().page_size(PAGE));
        let nodes = nodes
            .backoff(Retry::default())
            .map(|event| event.map(|event| Heard::Node(map(event, |node| (node.name_any(), Report::of(node))))));
        let heard = select_all([
            statuses::<Uplink>(&client, Kind::Uplink),
            statuses::<TrafficTier>(&client, Kind::Tier),
            nodes.boxed(),
        ]);
        let objects = BTreeMap::from([(Kind::Uplink, Listing::default()), (Kind::Tier, Listing::default())]);
        let recorder = events::recorder(client.clone(), node);
        Self {
            client,
            held,
            recorder,
            heard,
            objects,
            nodes: Listing::default(),
            written: BTreeMap::new(),
            rates: BTreeMap::new(),
            turn: Turn::default(),
        }
    }

    fn hear(&mut self, heard: Result<Heard, watcher::Error>) -> anyhow::Result<()> {
        match heard? {
            Heard::Object(kind, event) => {
                if let Event::Apply((name, _)) | Event::Delete((name, _)) = &event {
                    self.written.remove(&(kind, name.clone()));
                }
                if let Event::Delete((name, _)) = &event {
                    self.rates.remove(&(kind, name.clone()));
                }
                self.objects.entry(kind).or_default().hear(event);
            }
            Heard::Node(event) => {
                let now = Instant::now();
                let read = |(name, report): (String, Report)| {
                    let report = report.read_at(now, self.nodes.get(&name));
                    (name, report)
                };
                let event = map(event, read);
                self.nodes.hear(event);
            }
        }
        Ok(())
    }

    /// Writes statuses that are not as they should be, as long as the lease is ours. Returns false where some are left,
    /// or it is too early to say for some.
    async fn write(&mut self, update: Option<&Update>) -> anyhow::Result<bool> {
        let (Some(update), Some(nodes)) = (update, self.nodes.objects()) else { return Ok(false) };
        let now = Now::read();
        let mut is_complete = true;
        let mut due = Vec::new();
        for (kind, listing) in &self.objects {
            let Some(objects) = listing.objects() else {
                is_complete = false;
                continue;
            };
            for (name, stored) in objects {
                // Many nodes make many rows; who enforces must not wait for all of them.
                yield_now().await;
                let (versions, of) = match kind {
                    Kind::Uplink => (&update.versions.uplinks, "Uplink"),
                    Kind::Tier => (&update.versions.tiers, "TrafficTier"),
                };
                if versions.get(name) != Some(&stored.generation) {
                    // The source has not heard of this version yet, or has heard of the next.
                    is_complete = false;
                    continue;
                }
                let rejection =
                    update.rejections.iter().find(|found| found.object.kind == of && found.object.name == *name);
                let status = fold::status((*kind, name), stored, rejection, nodes, &now);
                let due_one = Due { object: (*kind, name.clone()), stored: stored.clone(), status };
                if !write::says_the_same(&due_one.status, self.standing(&due_one)) || self.is_for_its_rate(&due_one) {
                    due.push(due_one);
                }
            }
        }
        let all = due.len();
        let due = self.turn.take(due);
        is_complete &= due.len() == all;
        for due in due {
            // Many writes take long; another agent may have the lease meanwhile.
            let now = Instant::now();
            if !self.held.is_ours(now) {
                return Ok(false);
            }
            let for_its_rate = self.is_for_its_rate(&due);
            let Due { object, stored, status } = due;
            let writing = timeout(self.held.left(now), self.write_one(object.0, &object.1, &stored, &status));
            writing.await.context("the lease ran out before the API server had answered")??;
            if for_its_rate {
                self.rates.insert(object.clone(), RatePace::wrote(now));
            }
            self.written.insert(object, status);
        }
        Ok(is_complete)
    }

    /// What stands at the API server, as far as is known.
    fn standing<'a>(&'a self, due: &'a Due) -> &'a Status {
        self.written.get(&due.object).unwrap_or(&due.stored.status)
    }

    /// Whether the rate alone is reason enough to write a status.
    fn is_for_its_rate(&self, due: &Due) -> bool {
        let pace = self.rates.get(&due.object).copied().unwrap_or_default();
        let rate = |status: &Status| status.rate.as_ref().and_then(|rate| parse(rate).ok()).unwrap_or(0);
        pace.allows(rate(self.standing(due)), rate(&due.status), Instant::now())
    }

    async fn write_one(&mut self, kind: Kind, name: &str, stored: &Stored, status: &Status) -> anyhow::Result<()> {
        match kind {
            Kind::Uplink => write::status::<Uplink>(&self.client, write::CLUSTER, name, status).await?,
            Kind::Tier => write::status::<TrafficTier>(&self.client, write::CLUSTER, name, status).await?,
        };
        if let Some((kind_of_event, reason, message)) = news(&stored.status, status) {
            let about = events::object(kind, name, stored);
            events::publish(&self.recorder, kind_of_event, reason, message, &about).await?;
        }
        Ok(())
    }
}

/// What of a new status a person should hear: why it is not in force, or that it is again.
fn news<'a>(before: &Status, now: &'a Status) -> Option<(EventType, &'a str, &'a str)> {
    // Why it is not accepted says more than that it is not in force.
    if let Some(cause) = now.conditions.iter().find(|condition| condition.status == "False") {
        let was = find(&before.conditions, &cause.type_);
        let is_old = was.is_some_and(|was| was.status == "False" && was.message == cause.message);
        return (!is_old && cause.reason != PENDING).then_some((EventType::Warning, &*cause.reason, &*cause.message));
    }
    let enforced = find(&now.conditions, ENFORCED)?;
    let was = find(&before.conditions, ENFORCED).is_some_and(|was| was.status == "True");
    (!was).then_some((EventType::Normal, ENFORCED, &*enforced.message))
}

/// Uplinks or tiers, of which only the version and the status matter.
fn statuses<K: Resource<DynamicType = ()>>(
    client: &Client,
    kind: Kind,
) -> BoxStream<'static, Result<Heard, watcher::Error>> {
    let resource = ApiResource::erase::<K>(&());
    let events = watcher(Api::<DynamicObject>::all_with(client.clone(), &resource), Config::default());
    let read = |object: DynamicObject| {
        let status = object.data.get("status").cloned().unwrap_or_default();
        // What cannot be read is written anew.
        let status = Status::deserialize(status.into_deserializer()).unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or(0);
        (object.name_any(), Stored { uid: object.metadata.uid, generation, status })
    };
    events.backoff(Retry::default()).map(move |event| event.map(|event| Heard::Object(kind, map(event, read)))).boxed()
}

fn map<T, U>(event: Event<T>, of: impl Fn(T) -> U) -> Event<U>
where
    U: Debug,
{
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(of(object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(of(object)),
        Event::Delete(object) => Event::Delete(of(object)),
    }
}
