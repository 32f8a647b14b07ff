//! Labels change at a steady rate; how soon each is enforced.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use weir::datapath::beside::InForce;
use weir_lab::Node;

use crate::cluster::{Cluster, LABEL, NAMESPACE, within};

/// How often the kernel is looked at.
const LOOK: Duration = Duration::from_micros(500);
/// A change that takes longer counts as one that is never enforced.
const LIMIT: Duration = Duration::from_secs(10);
/// Changes that may be on the way to the API server at a time.
const AT_ONCE: usize = 64;

/// What came of it.
pub(crate) struct Churn {
    /// From the request for a change to the kernel.
    pub(crate) enforce: Times,
    /// From the request for a change to the API server's answer, which is part of it.
    pub(crate) write: Times,
    /// From the first change to the last enforcement.
    pub(crate) took: Duration,
}

/// Many times, in milliseconds.
pub(crate) struct Times(Vec<f64>);

impl Times {
    fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The figures `p50_ms`, `p99_ms` and `max_ms`, and how many there were.
    pub(crate) fn figures(&self) -> Value {
        let rank = |percent: usize| self.0.get((self.0.len() * percent).div_ceil(100).max(1) - 1);
        let figure = |percent| rank(percent).map(|ms| (ms * 100.0).round() / 100.0);
        json!({"count": self.0.len(), "p50_ms": figure(50), "p99_ms": figure(99), "max_ms": figure(100)})
    }
}

/// A change that was asked for.
struct Change {
    slot: u16,
    tier: u16,
    at: Instant,
}

/// Puts one pod after another into another tier.
pub(crate) fn measure(node: &Node, cluster: &Cluster, per_second: u32, length: Duration) -> Result<Churn> {
    let kernel = InForce::open(&node.bpffs())?;
    let (slots, tiers) = (kernel.slots()?, kernel.tiers()?);
    let slots = cluster.pods.iter().map(|pod| slots.get(&pod.owner).copied()).collect::<Option<Vec<u16>>>();
    let tiers = cluster.tiers.iter().map(|tier| tiers.get(&tier.owner).copied()).collect::<Option<Vec<u16>>>();
    let (slots, tiers) = slots.zip(tiers).context("not every pod and tier is in force")?;
    ensure!(tiers.len() > 1, "pods change between tiers: there must be two at least");

    let count = u32::try_from(length.as_secs())? * per_second;
    let (send, asked) = mpsc::channel();
    let start = Instant::now();
    let seen = std::thread::spawn(move || watch(&kernel, &asked));
    let write = within(node, async || {
        let api = Api::<Pod>::namespaced(Client::try_from(cluster.client.clone())?, NAMESPACE);
        let changes = (0..count).map(|number| {
            let (api, send) = (&api, send.clone());
            let pod = number as usize % slots.len();
            // In each turn every pod goes to the next tier.
            let turn = 1 + number as usize / slots.len();
            let tier = (cluster.pods[pod].tier + turn) % tiers.len();
            let change = (slots[pod], tiers[tier]);
            async move {
                tokio::time::sleep_until((start + Duration::from_secs(1) * number / per_second).into()).await;
                let at = Instant::now();
                send.send(Change { slot: change.0, tier: change.1, at }).context("the kernel is not looked at")?;
                let patch = json!({"metadata": {"labels": {LABEL: cluster.tiers[tier].name}}});
                api.patch_metadata(&cluster.pods[pod].name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
                anyhow::Ok(at.elapsed())
            }
        });
        stream::iter(changes).buffered(AT_ONCE).try_collect::<Vec<Duration>>().await
    });
    drop(send);
    let seen = seen.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let write = write?;
    ensure!(seen.len() == write.len(), "{} changes were asked for, {} seen", write.len(), seen.len());
    Ok(Churn { enforce: Times::new(seen), write: Times::new(write), took: start.elapsed() })
}

/// Looks at the kernel until everything that was asked for has been seen in force.
fn watch(kernel: &InForce, asked: &mpsc::Receiver<Change>) -> Result<Vec<Duration>> {
    let (mut open, mut times) = (Vec::<Change>::new(), Vec::new());
    loop {
        let is_over = loop {
            match asked.try_recv() {
                Ok(change) => open.push(change),
                Err(mpsc::TryRecvError::Empty) => break false,
                Err(mpsc::TryRecvError::Disconnected) => break true,
            }
        };
        let mut still = Vec::with_capacity(open.len());
        for change in open.drain(..) {
            if kernel.pod(change.slot)?.tiers.contains(&change.tier) {
                times.push(change.at.elapsed());
            } else if change.at.elapsed() > LIMIT {
                bail!("slot {} is not in tier {} after {LIMIT:?}", change.slot, change.tier);
            } else {
                still.push(change);
            }
        }
        open = still;
        if is_over && open.is_empty() {
            return Ok(times);
        }
        std::thread::sleep(LOOK);
    }
}
