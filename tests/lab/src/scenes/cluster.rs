//! `cluster`: the demo's story on a Kubernetes node, told by kubectl.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::Bottleneck;
use weir_lab::cluster::workload::{self, Internet, Measured};
use weir_lab::cluster::{Cluster, NODE, Network};

use super::events::{Events, round};
use super::measure::kernel;

/// How long streams take to fill a buffer, or a change to be felt.
const SETTLE: Duration = Duration::from_secs(5);
const MEASURE: Duration = Duration::from_secs(12);
/// The agent's pod, its image, its rights and its first round.
const ENFORCE_LIMIT: Duration = Duration::from_mins(1);

/// Plays the scene.
pub(super) fn play(events: &Events, keep: bool) -> Result<()> {
    events.step("cluster", "starting a Kubernetes cluster of one node behind the uplink", 0);
    let link = Bottleneck::default();
    let cluster = Cluster::start(Network::Bridge, link, |what| events.mark(what))?;
    if keep {
        let (certificate, token) = cluster.credentials()?;
        events.emit("open", json!({"certificate": certificate, "token": token}));
    }
    let internet = Internet::start(&cluster)?;
    let scene = Scene { events, cluster: &cluster, internet: &internet };

    events.step("pods", "kubectl apply: the pod call, ready to call", 0);
    cluster.apply(&[internet.caller()])?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/call", "--timeout=120s"])?;
    let idle = scene.measure("idle", "the call alone")?;
    cluster.apply(&[internet.seed()])?;
    cluster.rolled_out("default", "deployment/seed")?;
    let unshaped = scene.measure("unshaped", "the call beside the Deployment seed (8 streams), no Weir")?;

    events.step("install", "kubectl apply -k deploy/, an Uplink and a TrafficTier", 0);
    cluster.kustomization("apply", "")?;
    let definitions = ["crd/uplinks.weir.dev", "crd/traffictiers.weir.dev"];
    cluster.kubectl(&[&["wait", "--for=condition=Established", "--timeout=60s"], &definitions[..]].concat())?;
    cluster.apply(&[workload::uplink(&link), workload::tier(&json!({"guarantee": "2M", "dscp": "LE"}))])?;
    cluster.rolled_out("weir-system", "daemonset/weir")?;
    scene.wait_enforced()?;
    let shaped = scene.measure("shaped", "the call beside the seed, shaped")?;
    let columns = cluster.kubectl(&["get", "uplinks,traffictiers,weirnodes"])?;
    cluster.label_seed(false)?;
    let unlabelled = scene.measure("unlabelled", "kubectl label pod -l app=seed traffic-tier-")?;
    cluster.label_seed(true)?;
    let again = scene.measure("again", "kubectl label pod -l app=seed traffic-tier=bulk-seed")?;

    let acts = [idle, unshaped, shaped, unlabelled, again]
        .map(|act| json!({"call_p99_ms": round(act.call.p99_ms, 2), "bulk_mbit": round(act.bulk_mbit, 2)}));
    let [idle, unshaped, shaped, unlabelled, again] = acts;
    events.result(
        "cluster",
        json!({
            "kernel": kernel()?,
            "kubernetes": version(&cluster)?,
            "columns": columns,
            "idle": idle, "unshaped": unshaped, "shaped": shaped, "unlabelled": unlabelled, "relabelled": again,
        }),
    );
    if keep {
        events.mark("the scene is over; the cluster stays");
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

struct Scene<'a> {
    events: &'a Events,
    cluster: &'a Cluster,
    internet: &'a Internet,
}

impl Scene<'_> {
    fn measure(&self, name: &str, title: &str) -> Result<Measured> {
        self.events.step(name, title, (SETTLE + MEASURE).as_secs());
        std::thread::sleep(SETTLE);
        let measured = self.internet.measure(self.cluster, MEASURE)?;
        self.events.mark(&format!(
            "call p99 {:.1} ms, {} of {} packets lost; bulk {:.1} Mbit/s",
            measured.call.p99_ms, measured.call.lost, measured.call.count, measured.bulk_mbit
        ));
        Ok(measured)
    }

    /// Waits until the agent itself says that the seed is in the tier.
    fn wait_enforced(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let said = self.cluster.weir(&["status"]);
            if said.as_ref().is_ok_and(|text| text.contains("seed-")) {
                self.events.mark(&format!("weir status on {NODE} names the seed"));
                return Ok(());
            }
            ensure!(start.elapsed() < ENFORCE_LIMIT, "after {ENFORCE_LIMIT:?} weir status says: {said:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// The API server's version.
fn version(cluster: &Cluster) -> Result<String> {
    let said: serde_json::Value = serde_json::from_str(&cluster.kubectl(&["get", "--raw", "/version"])?)?;
    Ok(said["gitVersion"].as_str().unwrap_or("unknown").to_owned())
}
