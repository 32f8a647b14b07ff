//! What the scenes and tests run in a cluster: who talks to the internet, and the objects that shape it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Cluster;
use crate::topology::Bottleneck;
use crate::traffic::{Server, Sink, Summary};

/// The tier, and the value of the label that puts a pod into it.
pub const TIER: &str = "bulk-seed";
/// The image with the traffic tools.
const TOOLS: &str = "docker.io/library/weir-lab:tools";
const ECHO_PORT: u16 = 7000;
const SINK_PORT: u16 = 5201;

/// The internet's side: it answers calls and takes bulk.
#[derive(Debug)]
pub struct Internet {
    /// What bulk arrived.
    pub sink: Sink,
    echo_at: SocketAddr,
    sink_at: SocketAddr,
    _echo: Server,
}

/// A stretch of time in the life of the call and the bulk.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The call's round trips.
    pub call: Summary,
    /// The bulk's goodput in Mbit/s.
    pub bulk_mbit: f64,
}

impl Internet {
    /// Starts its servers.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        let internet = cluster.lab().internet();
        let (echo_at, sink_at) = (internet.at(ECHO_PORT), internet.at(SINK_PORT));
        let (echo, sink) = (Server::echo(internet.ns(), echo_at)?, Sink::start(internet.ns(), sink_at)?);
        Ok(Self { sink, echo_at, sink_at, _echo: echo })
    }

    /// A pod named `call` that is ready to call.
    #[must_use]
    pub fn caller(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "call", "namespace": "default", "labels": {"app": "call"}},
            "spec": pod_spec(&json!(["pause"])),
        })
    }

    /// A Deployment named `seed` whose pod sends bulk on 8 streams and carries the tier's label.
    #[must_use]
    pub fn seed(&self) -> Value {
        let arguments = json!(["bulk", self.sink_at.to_string(), "--streams", "8"]);
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "seed", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": "seed"}},
                "template": {
                    "metadata": {"labels": {"app": "seed", "traffic-tier": TIER}},
                    "spec": pod_spec(&arguments),
                },
            },
        })
    }

    /// A pod named `annotated` in the tier, which sends bulk and asks the CNI's bandwidth plugin for this much of it.
    #[must_use]
    pub fn annotated_seed(&self, egress_bandwidth: &str) -> Value {
        let arguments = json!(["bulk", self.sink_at.to_string(), "--streams", "2"]);
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "annotated", "namespace": "default",
                "labels": {"app": "annotated", "traffic-tier": TIER},
                "annotations": {"kubernetes.io/egress-bandwidth": egress_bandwidth},
            },
            "spec": pod_spec(&arguments),
        })
    }

    /// Calls from the pod `call` for that long, by `kubectl exec`, and counts what bulk arrives meanwhile.
    pub fn measure(&self, cluster: &Cluster, length: Duration) -> Result<Measured> {
        let (start, before) = (Instant::now(), self.sink.received());
        let (to, seconds) = (self.echo_at.to_string(), length.as_secs().to_string());
        let said = cluster.kubectl(&["exec", "call", "--", "/weir-lab", "probe", &to, "--seconds", &seconds])?;
        let (bytes, time) = (self.sink.received() - before, start.elapsed());
        let call = serde_json::from_str(&said).with_context(|| format!("the probe in the pod said {said}"))?;
        Ok(Measured { call, bulk_mbit: mbit(bytes, time) })
    }

    /// The bulk's goodput over that long, in Mbit/s.
    #[must_use]
    pub fn bulk_mbit(&self, length: Duration) -> f64 {
        let (start, before) = (Instant::now(), self.sink.received());
        std::thread::sleep(length);
        mbit(self.sink.received() - before, start.elapsed())
    }
}

impl Cluster {
    /// Puts the tier's label on the seed's pod, or takes it off, as a person does.
    pub fn label_seed(&self, labelled: bool) -> Result<()> {
        let label = if labelled { format!("traffic-tier={TIER}") } else { "traffic-tier-".to_owned() };
        let said = self.kubectl(&["label", "pod", "-l", "app=seed", "--overwrite", &label])?;
        ensure!(said.contains("labeled"), "no pod of the seed was there to be labelled: {said}");
        Ok(())
    }
}

/// The uplink `wan` of the bottleneck's rate.
#[must_use]
pub fn uplink(bottleneck: &Bottleneck) -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1", "kind": "Uplink", "metadata": {"name": "wan"},
        "spec": {"capacity": bottleneck.rate_bits.to_string()},
    })
}

/// The tier on it; `spec` has what is to be said beside the uplink.
#[must_use]
pub fn tier(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["uplink"] = json!("wan");
    json!({"apiVersion": "weir.dev/v1alpha1", "kind": "TrafficTier", "metadata": {"name": TIER}, "spec": spec})
}

fn pod_spec(arguments: &Value) -> Value {
    let container = json!({"name": "main", "image": TOOLS, "imagePullPolicy": "Never", "args": arguments});
    // The tools do not listen to SIGTERM, as the first process of a container has no default for it.
    json!({"terminationGracePeriodSeconds": 1, "enableServiceLinks": false, "containers": [container]})
}

#[allow(clippy::cast_precision_loss)] // bytes of some seconds
fn mbit(bytes: u64, time: Duration) -> f64 {
    bytes as f64 * 8.0 / time.as_secs_f64() / 1e6
}
