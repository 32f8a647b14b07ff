//! A cluster with Weir in it, and what is seen of its traffic on the far side of the uplink.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_lab::cluster::workload::{self, Internet};
use weir_lab::cluster::{Cluster, Network, UPLINK};
use weir_lab::{Bottleneck, Capture};

/// The DSCP that the tier sets (RFC 8622).
const LE: u8 = 1;
/// The link in bits per second. On an emulated machine a full link of 20 Mbit/s takes half of the processors' time.
const LINK: u64 = 8_000_000;
/// What the tier may send at most: a fifth of the link.
pub const CEILING_MBIT: f64 = 1.6;
/// How long a change may take that Kubernetes has a part in, on an emulated machine.
pub const SOON: Duration = Duration::from_mins(2);
/// How long streams take to find their rate.
const SETTLE: Duration = Duration::from_secs(4);
/// How long a rate is measured.
const MEASURE: Duration = Duration::from_secs(6);

/// The cluster, the internet, and how the node was before Weir.
#[derive(Debug)]
pub struct World {
    /// The cluster, with the Deployment `seed`.
    pub cluster: Cluster,
    /// The hosts that the seed sends to.
    pub internet: Internet,
    /// The queueing disciplines of the uplink's interface before Weir, as `tc` prints them.
    pub qdiscs_before: String,
    /// Weir and its tier are there: to apply them once more takes a minute on an emulated machine.
    is_installed: Cell<bool>,
}

impl World {
    /// Starts the cluster and the Deployment `seed`.
    pub fn start(network: Network) -> Result<Self> {
        let start = Instant::now();
        let tell = |what: &str| eprintln!("[{:5.1} s] {what}", start.elapsed().as_secs_f64());
        let cluster = Cluster::start(network, link(), tell)?;
        let internet = Internet::start(&cluster)?;
        cluster.apply(&[internet.seed()])?;
        cluster.rolled_out("default", "deployment/seed")?;
        tell("the seed runs");
        let qdiscs_before = qdiscs(&cluster)?;
        Ok(Self { cluster, internet, qdiscs_before, is_installed: Cell::new(false) })
    }

    /// Installs Weir with its tier where that is not so, puts the seed into it, and waits until it is shaped.
    pub fn installed(&self) -> Result<()> {
        self.install()?;
        self.cluster.label_seed(true)?;
        self.wait_marked(true)
    }

    /// Installs Weir and its tier, unless they are installed.
    pub fn install(&self) -> Result<()> {
        if self.is_installed.get() {
            return Ok(());
        }
        let tier = workload::tier(&json!({"ceiling": format!("{CEILING_MBIT}M"), "dscp": "LE"}));
        eprintln!("kubectl apply -k deploy/");
        self.cluster.kustomization("apply", "")?;
        // The definitions that they are of are in force a moment later.
        within(SOON, || self.cluster.apply(&[workload::uplink(&link()), tier.clone()]))?;
        self.cluster.rolled_out("weir-system", "daemonset/weir")?;
        eprintln!("the agent is ready");
        self.is_installed.set(true);
        Ok(())
    }

    /// Takes Weir's objects away as a person does.
    pub fn delete(&self) -> Result<()> {
        self.is_installed.set(false);
        self.cluster.kustomization("delete", "").map(drop)
    }

    /// Sets or removes the tier's label on the seed, waits until that is enforced, and returns the goodput in Mbit/s.
    ///
    /// # Errors
    /// If the packets do not change their mark; the error states the goodput all the same.
    pub fn goodput_labelled(&self, labelled: bool) -> Result<f64> {
        self.cluster.label_seed(labelled)?;
        let marked = self.wait_marked(labelled);
        let mbit = self.goodput();
        marked.with_context(|| {
            let with = if labelled { "with" } else { "without" };
            format!("{with} the label the seed sends {mbit:.2} Mbit/s, and the tier's ceiling is {CEILING_MBIT} Mbit/s")
        })?;
        Ok(mbit)
    }

    /// Fails unless the seed is held to its tier's ceiling while it carries the label, and only then.
    pub fn a_label_decides(&self) -> Result<()> {
        let with = self.goodput_labelled(true)?;
        let without = self.goodput_labelled(false)?;
        let again = self.goodput_labelled(true)?;
        eprintln!("goodput in Mbit/s: {with:.2} with the label, {without:.2} without, {again:.2} with it again");
        for shaped in [with, again] {
            ensure!(shaped <= CEILING_MBIT, "{shaped:.2} Mbit/s went over the tier's ceiling");
            ensure!(without / shaped > 3.0, "{shaped:.2} Mbit/s with the label, {without:.2} without");
        }
        Ok(())
    }

    /// Watches what comes from the node on the far side of the uplink.
    pub fn watch(&self) -> Result<Capture> {
        let node = self.cluster.machine().v4();
        Capture::start(self.cluster.lab().internet().ns(), move |packet| packet.source == node)
    }

    /// Waits until the seed's packets carry the tier's mark, or no longer do.
    pub fn wait_marked(&self, marked: bool) -> Result<()> {
        let seen = self.watch()?;
        let found = seen.wait_for(SOON, |packet| (packet.dscp == LE) == marked);
        found.with_context(|| format!("no packet of the seed came with the tier's mark: {marked}"))?;
        Ok(())
    }

    /// The seed's goodput once it has found its rate.
    pub fn goodput(&self) -> f64 {
        std::thread::sleep(SETTLE);
        self.internet.bulk_mbit(MEASURE)
    }

    /// Does something that must not be felt: every packet of the seed meanwhile is the tier's, and they keep coming.
    pub fn without_a_gap(&self, act: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let seen = self.watch()?;
        let start = Instant::now();
        act(self)?;
        let seconds = start.elapsed().as_secs_f64();
        all_marked(&seen, seconds)
    }
}

fn link() -> Bottleneck {
    Bottleneck { rate_bits: LINK, ..Bottleneck::default() }
}

/// Fails unless every packet that was seen carries the tier's mark, and there were many.
pub fn all_marked(seen: &Capture, seconds: f64) -> Result<()> {
    let packets = seen.drain();
    let unmarked = packets.iter().filter(|packet| packet.dscp != LE).count();
    ensure!(unmarked == 0, "{unmarked} of {} packets in {seconds:.0} s were not shaped", packets.len());
    // The ceiling is 130 full packets a second.
    #[allow(clippy::cast_precision_loss)] // packets of some minutes
    let rate = packets.len() as f64 / seconds;
    ensure!(rate > 50.0, "only {} packets came in {seconds:.0} s", packets.len());
    Ok(())
}

/// What `tc` says of the uplink's interface.
pub fn qdiscs(cluster: &Cluster) -> Result<String> {
    cluster.machine().ns().run(&["tc", "qdisc", "show", "dev", UPLINK])
}

/// Tries until it succeeds or the time is over; then the last error counts.
pub fn within<T>(time: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + time;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}
