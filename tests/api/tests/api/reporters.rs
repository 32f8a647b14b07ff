//! Agents that do nothing but report: what several of them write together, and who of them folds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use weir::{
    kube::{
        Access, KubeSource,
        status::{NodeFacts, Reporting},
    },
    serve::snapshot_channel,
};
use weir_api_tests::{ControlPlane, Way};
use weir_core::{
    desired::desired,
    host::{Host, Link},
    model::World,
    rates::{Rates, TierRate},
    snapshot::{ReconcileStats, Snapshot, TierNow, UplinkNow, Versions},
};

use crate::world::{TIER, UPLINK, with_definitions};

/// How long something may take that is not measured here. A lease that nobody renews is free after 15 s.
const SOON: Duration = Duration::from_mins(1);

/// The reports of a node whose kernel does all that it is told.
struct Reporter {
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
    rounds: watch::Sender<u64>,
    /// What the node sends, all of it by the tier, in bits per second.
    rate: Arc<AtomicU64>,
    _source: KubeSource,
    _folder: TempDir,
}

impl Reporter {
    async fn start(cluster: &ControlPlane, node: &str) -> Result<Self> {
        Self::over(Access::Kubeconfig(cluster.kubeconfig("admin")?), node).await
    }

    /// Starts one that has its own way to the API server.
    async fn over(access: Access, node: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let source = KubeSource::start(&access, node, folder.path().join("objects.json")).await?;
        let (snapshots, mut requests) = snapshot_channel();
        let (rounds, seen) = watch::channel(1);
        let (updates, name) = (source.updates(), node.to_owned());
        let rate = Arc::new(AtomicU64::new(0));
        let sent = rate.clone();
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                let world = updates.borrow().as_ref().and_then(|update| update.world.clone());
                request.answer(Arc::new(snapshot(&name, world.as_deref(), sent.load(Ordering::Relaxed))));
            }
        });
        let reporting = Reporting {
            access,
            node: node.to_owned(),
            facts: NodeFacts { kernel: "6.12.0".to_owned(), features: vec!["fq".to_owned()], lost: Vec::new() },
            snapshots,
            rounds: seen,
            updates: source.updates(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(reporting.run(stop.clone()));
        // A round follows each update.
        let (mut updates, sender) = (source.updates(), rounds.clone());
        tokio::spawn(async move {
            while updates.changed().await.is_ok() {
                sender.send_modify(|round| *round += 1);
            }
        });
        Ok(Self { stop, task, rounds, rate, _source: source, _folder: folder })
    }

    /// Makes the node send at this rate.
    fn send(&self, rate: u64) {
        self.rate.store(rate, Ordering::Relaxed);
        self.rounds.send_modify(|round| *round += 1);
    }

    /// Ends it like SIGTERM.
    async fn end(self) -> Result<()> {
        self.stop.cancel();
        timeout(SOON, self.task).await.context("it does not end")?.context("it ended by a panic")?
    }

    /// Ends it like SIGKILL.
    fn kill(self) {
        self.task.abort();
    }
}

fn snapshot(node: &str, world: Option<&World>, rate: u64) -> Snapshot {
    let Some(world) = world else { return Snapshot { node: node.to_owned(), ..Snapshot::default() } };
    let eth0 = Link { name: "eth0".to_owned(), ethernet: true, up: true, tx_queues: 1, ..Link::default() };
    let host = Host { links: [(2, eth0)].into(), default_routes: vec![2], ..Host::default() };
    let (desired, findings) = desired(world, &host, node);
    Snapshot {
        node: node.to_owned(),
        version: "0.1.0".to_owned(),
        versions: Versions::of(world),
        uplinks: desired
            .uplinks
            .keys()
            .map(|name| (name.clone(), UplinkNow { paced: true, ..UplinkNow::default() }))
            .collect(),
        tiers: desired.tiers.keys().map(|name| (name.clone(), TierNow::default())).collect(),
        rates: Rates {
            uplinks: desired.uplinks.keys().map(|name| (name.clone(), [("bulk", rate)].into())).collect(),
            tiers: desired.tiers.keys().map(|name| (name.clone(), TierRate { sent: rate, demanded: rate })).collect(),
        },
        desired,
        findings,
        reconcile: ReconcileStats { rounds: 1, ..ReconcileStats::default() },
        ..Snapshot::default()
    }
}

/// Waits until what kubectl prints of an object is this.
async fn until(cluster: &ControlPlane, of: &[&str], path: &str, wanted: &str) -> Result<()> {
    let path = format!("jsonpath={path}");
    let arguments = [&["get"], of, &["-o", &path]].concat();
    let mut last = String::new();
    let look = async {
        while last != wanted {
            last =
                tokio::task::block_in_place(|| cluster.kubectl(&arguments)).unwrap_or_else(|error| error.to_string());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let found = timeout(SOON, look).await;
    ensure!(found.is_ok(), "{of:?} {path} is {last:?} and not {wanted:?} after {SOON:?}");
    Ok(())
}

/// The versions of everything that agents write, which each write raises.
fn versions(cluster: &ControlPlane) -> Result<String> {
    let arguments = ["get", "uplinks,traffictiers,weirnodes", "-o", "jsonpath={.items[*].metadata.resourceVersion}"];
    tokio::task::block_in_place(|| cluster.kubectl(&arguments))
}

const NODES: &str = "{.status.nodes} {.status.observedGeneration}";
const HOLDER: &str = "{.spec.holderIdentity}";
const BULK: [&str; 2] = ["traffictier", "bulk"];
const LEASE: [&str; 2] = ["lease", "weir"];

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_agents_folds_and_the_other_takes_over_from_it() -> Result<()> {
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let first = Reporter::start(&cluster, "n1").await?;
    until(&cluster, &LEASE, HOLDER, "n1").await?;
    let second = Reporter::start(&cluster, "n2").await?;
    until(&cluster, &BULK, NODES, "2/2 1").await?;

    first.kill();
    cluster.apply(&TIER.replace("8M", "6M"))?;
    until(&cluster, &LEASE, HOLDER, "n2").await?;
    until(&cluster, &BULK, NODES, "1/2 2").await?;
    let why = "{.status.conditions[?(@.type==\"Enforced\")].message}";
    until(&cluster, &BULK, why, "1 of 2 nodes have yet to follow: n1").await?;

    let third = Reporter::start(&cluster, "n1").await?;
    until(&cluster, &BULK, NODES, "2/2 2").await?;
    until(&cluster, &LEASE, HOLDER, "n2").await?;
    second.end().await?;
    until(&cluster, &LEASE, HOLDER, "n1").await?;
    third.end().await?;
    until(&cluster, &LEASE, HOLDER, "").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_when_nothing_changed_and_once_a_second_when_much_does() -> Result<()> {
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let reporter = Reporter::start(&cluster, "n1").await?;
    until(&cluster, &BULK, NODES, "1/1 1").await?;
    until(&cluster, &["uplink", "wan"], NODES, "1/1 1").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = versions(&cluster)?;
    for _ in 0..30 {
        reporter.rounds.send_modify(|round| *round += 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(versions(&cluster)? == before, "something was written though nothing changed");

    let generation = || {
        let version = ["get", "weirnode", "n1", "-o", "jsonpath={.metadata.resourceVersion}"];
        tokio::task::block_in_place(|| cluster.kubectl(&version))
    };
    let (start, mut writes, mut last) = (std::time::Instant::now(), 0, generation()?);
    for ceiling in 1..=20 {
        cluster.apply(&TIER.replace("8M", &format!("{ceiling}M")))?;
        let now = generation()?;
        writes += usize::from(now != last);
        last = now;
    }
    let seconds = start.elapsed().as_secs_f64();
    ensure!(writes >= 1, "20 changes in {seconds:.1} s were not told at all");
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let per_second = writes as f64 / seconds;
    ensure!(per_second <= 1.1, "{writes} writes of one object in {seconds:.1} s");
    let newest = cluster.kubectl(&["get", "traffictier", "bulk", "-o", "jsonpath={.metadata.generation}"])?;
    until(&cluster, &BULK, NODES, &format!("1/1 {newest}")).await?;
    reporter.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_renewed_while_writes_are_awaited() -> Result<()> {
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    let proxy = cluster.proxy()?;
    let first = Reporter::over(Access::Kubeconfig(cluster.kubeconfig_through(&proxy, "admin")?), "n1").await?;
    until(&cluster, &LEASE, HOLDER, "n1").await?;
    let second = Reporter::start(&cluster, "n2").await?;
    until(&cluster, &["uplink", "wan"], NODES, "2/2 1").await?;

    // A write takes a second now, and there are more of them than a lease has seconds.
    proxy.set(Way::Delay(Duration::from_millis(500)));
    let tiers: Vec<String> = (0..25).map(|number| TIER.replace("bulk", &format!("bulk{number:02}"))).collect();
    cluster.apply(&tiers.join("---\n"))?;
    tokio::time::sleep(Duration::from_secs(35)).await;
    until(&cluster, &LEASE, "{.spec.holderIdentity} {.spec.leaseTransitions}", "n1 0").await?;
    until(&cluster, &["traffictier", "bulk00"], NODES, "2/2 1").await?;
    second.end().await?;
    first.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_that_is_steady_or_varies_slowly_is_no_reason_to_write() -> Result<()> {
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let reporter = Reporter::start(&cluster, "n1").await?;
    until(&cluster, &BULK, NODES, "1/1 1").await?;
    // That bulk begins is told once, and soon.
    reporter.send(10_000_000);
    for object in [&["weirnode", "n1"], &["uplink", "wan"], &BULK] {
        until(&cluster, object, "{.status.rate}", "10M").await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = versions(&cluster)?;
    for step in 0..40 {
        reporter.send(10_000_000 + step * 200_000);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // More than twice as much would be worth telling, but not so soon again.
    reporter.send(40_000_000);
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(versions(&cluster)? == before, "something was written though only rates changed");
    reporter.end().await
}
