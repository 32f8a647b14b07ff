//! The cluster that all tests share, and what is seen of its traffic on the far side of the uplink.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use weir_lab::Capture;
use weir_lab::cluster::workload::{self, Internet};
use weir_lab::cluster::{Cluster, UPLINK};

/// The DSCP that the tier sets (RFC 8622).
const LE: u8 = 1;
/// What the tier may send at most: a fifth of the link.
pub(crate) const CEILING_MBIT: f64 = 4.0;
/// How long a change may take that Kubernetes has a part in, on an emulated machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// How long streams take to find their rate.
const SETTLE: Duration = Duration::from_secs(4);
/// How long a rate is measured.
const MEASURE: Duration = Duration::from_secs(6);

/// The cluster, the internet, and how the node was before Weir.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) internet: Internet,
    /// What `tc` said of the uplink's interface.
    pub(crate) qdiscs_before: String,
}

/// The world, for one test at a time.
pub(crate) fn world() -> Result<MutexGuard<'static, World>> {
    static WORLD: OnceLock<Result<Mutex<World>, String>> = OnceLock::new();
    let started = WORLD.get_or_init(|| World::start().map(Mutex::new).map_err(|error| format!("{error:#}")));
    let world = started.as_ref().map_err(|error| anyhow!("the cluster did not start: {error}"))?;
    Ok(world.lock().unwrap_or_else(PoisonError::into_inner))
}

impl World {
    fn start() -> Result<Self> {
        let start = Instant::now();
        let tell = |what: &str| eprintln!("[{:5.1} s] {what}", start.elapsed().as_secs_f64());
        let cluster = Cluster::start(tell)?;
        let internet = Internet::start(&cluster)?;
        cluster.apply(&[internet.seed()])?;
        cluster.rolled_out("default", "deployment/seed")?;
        tell("the seed runs");
        let qdiscs_before = qdiscs(&cluster)?;
        Ok(Self { cluster, internet, qdiscs_before })
    }

    /// Installs Weir with its tier where that is not so, puts the seed into it, and waits until it is shaped.
    pub(crate) fn installed(&self) -> Result<()> {
        let tier = workload::tier(&json!({"ceiling": "4M", "dscp": "LE"}));
        eprintln!("kubectl apply -k deploy/");
        self.cluster.kustomization("apply", "")?;
        // The definitions that they are of are in force a moment later.
        within(SOON, || self.cluster.apply(&[workload::uplink(), tier.clone()]))?;
        self.cluster.rolled_out("weir-system", "daemonset/weir")?;
        eprintln!("the agent is ready");
        self.cluster.label_seed(true)?;
        self.wait_marked(true)
    }

    /// Watches what comes from the node on the far side of the uplink.
    pub(crate) fn watch(&self) -> Result<Capture> {
        let node = self.cluster.machine().v4();
        Capture::start(self.cluster.lab().internet().ns(), move |packet| packet.source == node)
    }

    /// Waits until the seed's packets carry the tier's mark, or no longer do.
    pub(crate) fn wait_marked(&self, marked: bool) -> Result<()> {
        let seen = self.watch()?;
        let found = seen.wait_for(SOON, |packet| (packet.dscp == LE) == marked);
        found.with_context(|| format!("no packet of the seed came with the tier's mark: {marked}"))?;
        Ok(())
    }

    /// The seed's goodput once it has found its rate.
    pub(crate) fn goodput(&self) -> f64 {
        std::thread::sleep(SETTLE);
        self.internet.bulk_mbit(MEASURE)
    }

    /// Does something that must not be felt: every packet of the seed meanwhile is the tier's, and they keep coming.
    pub(crate) fn without_a_gap(&self, act: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let seen = self.watch()?;
        let start = Instant::now();
        act(self)?;
        let seconds = start.elapsed().as_secs_f64();
        all_marked(&seen, seconds)
    }
}

/// Fails unless every packet that was seen carries the tier's mark, and there were many.
pub(crate) fn all_marked(seen: &Capture, seconds: f64) -> Result<()> {
    let packets = seen.drain();
    let unmarked = packets.iter().filter(|packet| packet.dscp != LE).count();
    ensure!(unmarked == 0, "{unmarked} of {} packets in {seconds:.0} s were not shaped", packets.len());
    // 4 Mbit/s are 330 full packets a second.
    #[allow(clippy::cast_precision_loss)] // packets of some minutes
    let rate = packets.len() as f64 / seconds;
    ensure!(rate > 50.0, "only {} packets came in {seconds:.0} s", packets.len());
    Ok(())
}

/// What `tc` says of the uplink's interface.
pub(crate) fn qdiscs(cluster: &Cluster) -> Result<String> {
    cluster.machine().ns().run(&["tc", "qdisc", "show", "dev", UPLINK])
}

/// Tries until it succeeds or the time is over; then the last error counts.
pub(crate) fn within<T>(time: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + time;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}
