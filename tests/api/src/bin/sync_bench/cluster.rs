//! A large cluster: the objects, and the pods of the one node that is real.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Node as NodeObject, Pod as PodObject};
use kube::{
    Api, Client, Config, Resource,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use weir_api::objects::{TrafficTier, Uplink};
use weir_api_tests::ControlPlane;
use weir_common::config::Owner;
use weir_core::{
    kernel::{pod_owner, tier_owner},
    model::PodKey,
};
use weir_lab::{Node, Pod, PodOptions};

use crate::reports;

/// The label that puts a pod into a tier.
pub(crate) const LABEL: &str = "traffic-tier";
/// Where the node's own pods are.
pub(crate) const NAMESPACE: &str = "default";
/// Requests at a time.
pub(crate) const AT_ONCE: usize = 16;

/// How large the cluster is.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub(crate) struct Size {
    /// Pods on all nodes
    #[arg(long, default_value_t = 5000)]
    pub(crate) pods: usize,
    /// Pods on the node of the agent, each with its interface
    #[arg(long, default_value_t = 100, value_parser = here)]
    pub(crate) pods_here: usize,
    /// Nodes
    #[arg(long, default_value_t = 1000)]
    pub(crate) nodes: usize,
    /// Tiers, all on one uplink
    #[arg(long, default_value_t = 200)]
    pub(crate) tiers: usize,
    /// Other nodes whose agents have reported every tier
    #[arg(long, default_value_t = 0)]
    pub(crate) reports: usize,
    /// Namespaces
    #[arg(long, default_value_t = 100)]
    pub(crate) namespaces: usize,
}

/// A node of the lab has room for 253 pods.
fn here(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=250) => Ok(number),
        _ => Err("from 1 to 250".to_owned()),
    }
}

/// What the agent is to enforce.
pub(crate) struct Cluster {
    pub(crate) client: Config,
    pub(crate) tiers: Vec<Tier>,
    pub(crate) pods: Vec<Member>,
}

/// A tier, and how the kernel knows it.
pub(crate) struct Tier {
    pub(crate) name: String,
    pub(crate) owner: Owner,
}

/// A pod of this node, and how the kernel knows it.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) owner: Owner,
    /// Its tier at first.
    pub(crate) tier: usize,
    _pod: Pod,
}

/// Makes Weir's resources known.
pub(crate) fn define(control_plane: &ControlPlane) -> Result<()> {
    control_plane.apply(&weir_api::objects::manifest()).context("the definitions")?;
    let crds = ["crd/uplinks.weir.dev", "crd/traffictiers.weir.dev", "crd/weirnodes.weir.dev"];
    control_plane.kubectl(&[&["wait", "--for=condition=Established", "--timeout=60s"], &crds[..]].concat())?;
    Ok(())
}

/// Makes everything, and waits until the API server has it.
pub(crate) fn fill(control_plane: &ControlPlane, node: &Node, size: &Size) -> Result<Cluster> {
    ensure!(size.pods >= size.pods_here, "{} pods in all cannot be {} here", size.pods, size.pods_here);
    ensure!(size.reports < size.nodes, "{} reports of {} other nodes", size.reports, size.nodes - 1);
    ensure!(size.nodes > 1 && size.tiers > 1 && size.namespaces > 0, "too small: two nodes, two tiers, a namespace");
    eprintln!("starting {} pods on this node", size.pods_here);
    let pods = (0..size.pods_here).map(|number| node.pod(&format!("here{number}"), PodOptions::default()));
    let pods: Vec<Pod> = pods.collect::<Result<_>>()?;
    let kubeconfig = control_plane.kubeconfig("admin")?;
    within(node, async || {
        let config = config(&kubeconfig).await?;
        let client = Client::try_from(config.clone())?;
        let tiers = write_all(&client, node, size).await?;
        let writes =
            pods.into_iter().enumerate().map(|(number, pod)| write_here(&client, pod, number % tiers.len(), &tiers));
        let pods = stream::iter(writes).buffered(AT_ONCE).try_collect().await?;
        Ok(Cluster { client: config, tiers, pods })
    })
}

/// Runs something that talks to the API server, inside the node.
pub(crate) fn within<T: Send>(node: &Node, work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    node.ns().enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work())
    })
}

async fn config(kubeconfig: &Path) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// Everything but the pods of this node.
async fn write_all(client: &Client, node: &Node, size: &Size) -> Result<Vec<Tier>> {
    let api = "weir.dev/v1alpha1";
    eprintln!("writing {} nodes, {} namespaces, {} tiers", size.nodes, size.namespaces, size.tiers);
    let names = std::iter::once(node.name().to_owned()).chain((1..size.nodes).map(|number| format!("n{number:04}")));
    let node_names: Vec<String> = names.collect();
    create(
        &Api::<NodeObject>::all(client.clone()),
        node_names.iter().map(|name| json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})),
    )
    .await?;
    let namespaces = (0..size.namespaces).map(|number| json!({"metadata": {"name": format!("ns{number}")}}));
    create(&Api::<Namespace>::all(client.clone()), namespaces).await?;
    let uplink = json!({
        "apiVersion": api, "kind": "Uplink", "metadata": {"name": "wan"}, "spec": {"capacity": "1G"},
    });
    create(&Api::<Uplink>::all(client.clone()), [uplink]).await?;
    let tiers: Vec<Tier> = (0..size.tiers)
        .map(|number| format!("tier{number}"))
        .map(|name| Tier { owner: tier_owner(&name), name })
        .collect();
    create(
        &Api::<TrafficTier>::all(client.clone()),
        tiers.iter().map(|tier| {
            let spec = json!({"uplink": "wan", "guarantee": "1M", "ceiling": "100M", "perPodCeiling": "50M"});
            json!({"apiVersion": api, "kind": "TrafficTier", "metadata": {"name": tier.name}, "spec": spec})
        }),
    )
    .await?;
    eprintln!("writing {} pods of other nodes", size.pods - size.pods_here);
    for namespace in 0..size.namespaces {
        let others = (size.pods_here..size.pods).filter(|pod| pod % size.namespaces == namespace);
        let others = others.map(|pod| {
            let node = &node_names[1 + pod % (node_names.len() - 1)];
            object(&format!("other{pod}"), node, &tiers[pod % tiers.len()].name)
        });
        create(&Api::<PodObject>::namespaced(client.clone(), &format!("ns{namespace}")), others).await?;
    }
    reports::write(client, &node_names[1..=size.reports], &tiers).await?;
    Ok(tiers)
}

/// Like what a small Deployment's pods have: two containers, some variables and volumes.
fn object(name: &str, node: &str, tier: &str) -> Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example/team/main:1.2.3",
            "env": [{"name": "LEVEL", "value": "info"}, {"name": "ADDRESS", "value": "0.0.0.0:8080"}],
            "ports": [{"containerPort": 8080, "name": format!("http-{name}")}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        })
    };
    json!({
        "metadata": {"name": name, "labels": {"app": "main", LABEL: tier}},
        "spec": {
            "nodeName": node,
            "containers": [container("main"), container("side")],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    })
}

async fn create<K>(api: &Api<K>, objects: impl IntoIterator<Item = Value>) -> Result<()>
where
    K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let writes = objects.into_iter().map(|object| async move {
        let object: K = serde_json::from_value(object)?;
        api.create(&PostParams::default(), &object).await?;
        anyhow::Ok(())
    });
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

/// A pod of this node, with what its kubelet would say of it.
async fn write_here(client: &Client, pod: Pod, tier: usize, tiers: &[Tier]) -> Result<Member> {
    let api = Api::<PodObject>::namespaced(client.clone(), NAMESPACE);
    let object = serde_json::from_value(object(pod.name(), pod.node(), &tiers[tier].name))?;
    let written = api.create(&PostParams::default(), &object).await?;
    let ips: Vec<Value> = pod.addresses().iter().map(|ip| json!({"ip": ip})).collect();
    let status = json!({"status": {"phase": "Running", "podIP": pod.addresses().first(), "podIPs": ips}});
    api.patch_status(pod.name(), &PatchParams::default(), &Patch::Merge(&status)).await?;
    let key = PodKey { namespace: NAMESPACE.to_owned(), name: pod.name().to_owned() };
    let uid = written.metadata.uid.context("the API server gave the pod no uid")?;
    Ok(Member { name: key.name.clone(), owner: pod_owner(&key, &uid), tier, _pod: pod })
}
