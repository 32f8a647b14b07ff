//! The loop: observe → desired → plan → apply.
//!
//! The same round runs on every change of the objects or of the node's network, on a slow tick, and after a restart.
//! Nothing else writes to the kernel.

mod attempts;
mod beginnings;
mod departed;
mod failures;
mod hooks;
mod look;
mod qdiscs;
mod round;
mod splitter;
mod view;

use std::{
    collections::BTreeMap,
    future::ready,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use weir_core::{
    desired::{Desired, Findings},
    escapes::Escapes,
    host::Host,
    kernel::Rendered,
    model::World,
    rates::Window,
    snapshot::{Degraded, ReconcileStats, Versions},
};

use crate::{
    datapath::Datapath,
    net::{Netlink, events::Events, retry::Awaited},
    serve::{Health, SnapshotRequest},
    source::Update,
    state::StateFolder,
};

use attempts::Failed;
use departed::Departed;
use failures::Failures;
use hooks::HookKeeper;
use look::Expected;
use qdiscs::QdiscKeeper;

/// What the loop is told at its start.
pub struct Settings {
    /// This node's name.
    pub node: String,
    /// How often to compare with the kernel when nothing has changed.
    pub resync: Duration,
    /// Whether to replace another program's qdisc.
    pub take_over: bool,
    /// Where what must outlive the agent is kept.
    pub state_dir: PathBuf,
}

/// Brings the kernel to what the objects say, and keeps it there.
pub struct Reconciler {
    settings: Settings,
    datapath: Datapath,
    netlink: Netlink,
    qdiscs: QdiscKeeper,
    health: Health,
    hooks: HookKeeper,
    awaited: Awaited<Expected>,
    world: Arc<World>,
    /// Not as long as the source does not know: an empty world is not "nothing is wanted".
    knows_world: bool,
    source_findings: Findings,
    /// Since when the source cannot be read.
    stale_since: Option<Instant>,
    /// The node's facts, as of the last look.
    host: Host,
    /// Whether the last look succeeded: an empty host is not "the node has no interfaces", and one of before may be wrong.
    has_looked: bool,
    /// When Weir's own veth was last made.
    splitter_made: Option<Instant>,
    /// What the last round led to.
    last: Round,
    departed: Departed,
    /// Slots whose pods ended a moment ago, and since when.
    resting: BTreeMap<u16, Instant>,
    rates: Window,
    escapes: Escapes,
    /// Whether what other versions of Weir left has been taken away.
    is_alone: bool,
    stats: ReconcileStats,
    rounds: watch::Sender<u64>,
}

/// What a round led to.
#[derive(Default)]
struct Round {
    desired: Desired,
    versions: Versions,
    findings: Findings,
    rendered: Rendered,
    /// What this kernel lacks.
    degraded: Vec<Degraded>,
    /// Root qdiscs by uplink and interface name, for a person.
    qdiscs: BTreeMap<String, BTreeMap<String, String>>,
    /// Changes that failed.
    failed: Vec<Failed>,
    /// What they and other steps that failed leave undone.
    failures: Failures,
}

/// Why a round runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The objects changed; the node's facts are as they were.
    Objects,
    /// The node's network may have changed.
    Network,
    /// Time to look whether all is as it should be.
    Tick,
    /// The last round left something to do.
    Rest,
}

impl Reconciler {
    /// A loop over an opened datapath.
    pub fn new(settings: Settings, datapath: Datapath, netlink: Netlink, health: Health) -> anyhow::Result<Self> {
        let state = StateFolder::open(&settings.state_dir)?;
        let qdiscs = QdiscKeeper::new(state.clone(), settings.take_over)?;
        let hooks = HookKeeper::new(state, settings.take_over)?;
        Ok(Self {
            settings,
            datapath,
            netlink,
            qdiscs,
            hooks,
            health,
            awaited: Awaited::default(),
            world: Arc::default(),
            knows_world: false,
            source_findings: Findings::default(),
            stale_since: None,
            host: Host::default(),
            has_looked: false,
            splitter_made: None,
            last: Round::default(),
            departed: Departed::default(),
            resting: BTreeMap::new(),
            rates: Window::default(),
            escapes: Escapes::default(),
            is_alone: false,
            stats: ReconcileStats::default(),
            rounds: watch::Sender::default(),
        })
    }

    /// Says the number of each round that has ended, well or not.
    #[must_use]
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// Runs until `stop` is cancelled. What is in force stays in force.
    pub async fn run(
        mut self,
        mut updates: watch::Receiver<Option<Update>>,
        mut requests: mpsc::Receiver<SnapshotRequest>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut events = Events::open().context("cannot listen for changes of the network")?;
        let mut tick = interval(self.settings.resync);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pulse = interval(PULSE);
        let (mut look_again, mut is_unfinished) = (None, false);
        loop {
            let cause = tokio::select! {
                () = stop.cancelled() => break,
                // The end of a source is noticed by whoever supervises it.
                Ok(()) = updates.changed() => Cause::Objects,
                event = events.next() => {
                    event.context("cannot listen for changes of the network")?;
                    Cause::Network
                }
                Some(request) = requests.recv() => {
                    request.answer(Arc::new(self.snapshot().await));
                    continue;
                }
                _ = tick.tick() => Cause::Tick,
                () = sleep_until(look_again.unwrap_or_else(tokio::time::Instant::now)), if look_again.is_some() => {
                    Cause::Network
                }
                _ = pulse.tick() => {
                    self.health.beat();
                    self.read_rates();
                    self.read_escapes().await;
                    continue;
                }
                () = ready(()), if is_unfinished => Cause::Rest,
            };
            self.take_update(updates.borrow_and_update().as_ref());
            if !self.knows_world {
                continue;
            }
            is_unfinished = self.timed_round(cause).await;
            look_again = self.look_again(Instant::now()).map(Into::into);
            self.health.beat();
        }
        info!("stopped; shaping and counting go on in the kernel until `weir cleanup`");
        Ok(())
    }

    fn take_update(&mut self, update: Option<&Update>) {
        let Some(update) = update else { return };
        for rejection in &update.rejections {
            if !self.source_findings.rejections.contains(rejection) {
                warn!(%rejection, "object rejected");
            }
        }
        if let Some(world) = &update.world {
            self.world = Arc::clone(world);
            self.knows_world = true;
        }
        self.stale_since = update.unreadable_since;
        self.source_findings.rejections.clone_from(&update.rejections);
    }

    /// Runs a round. Returns whether it left changes that have not been tried.
    async fn timed_round(&mut self, cause: Cause) -> bool {
        let start = Instant::now();
        let result = self.round(cause).await;
        let seconds = start.elapsed().as_secs_f64();
        self.stats.rounds += 1;
        self.stats.last_seconds = seconds;
        self.stats.sum_seconds += seconds;
        let error = match &result {
            Ok(_) => self.last.failures.summary(),
            Err(error) => Some(format!("nothing could be changed: {error:#}")),
        };
        if let Some(error) = &error {
            self.stats.errors += 1;
            if self.stats.last_error.as_ref() != Some(error) {
                warn!(error, "a round failed in part; what it could not change is as it was, and is tried again");
            }
        }
        self.stats.last_error = error;
        self.rounds.send_replace(self.stats.rounds);
        result.unwrap_or(false)
    }
}

/// How often the loop shows that it lives while there is nothing to do.
const PULSE: Duration = Duration::from_secs(2);
