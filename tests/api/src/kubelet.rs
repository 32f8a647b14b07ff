//! A small kubelet: the pods that the API server has for a node of the lab run there, as namespaces.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use weir_lab::{Node, Pod, PodOptions};

use crate::control_plane::ControlPlane;

/// What of a list of pods matters here.
#[derive(Deserialize)]
struct Pods {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    uid: String,
    deletion_timestamp: Option<String>,
}

/// The kubelet of one node. It works when it is told to, so that a test knows what has happened.
#[derive(Debug)]
pub struct Kubelet<'a> {
    cluster: &'a ControlPlane,
    node: &'a Node,
    /// By the UID of their objects.
    running: BTreeMap<String, Pod>,
}

impl<'a> Kubelet<'a> {
    /// Makes its node known to the cluster, as one that is ready.
    pub fn join(cluster: &'a ControlPlane, node: &'a Node) -> Result<Self> {
        cluster.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name()}}).to_string())?;
        let addresses = [node.v4(), node.v6()].map(|address| json!({"type": "InternalIP", "address": address}));
        let status = json!({"status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it works"}],
            "addresses": addresses,
        }});
        cluster.kubectl(&["patch", "node", node.name(), "--subresource=status", "--patch", &status.to_string()])?;
        Ok(Self { cluster, node, running: BTreeMap::new() })
    }

    /// Starts what the API server has for this node, says so, and ends what is to end.
    pub fn work(&mut self) -> Result<()> {
        let here = format!("--field-selector=spec.nodeName={}", self.node.name());
        let pods: Pods = serde_json::from_str(&self.cluster.kubectl(&["get", "pods", &here, "-o", "json"])?)?;
        let (ending, wanted): (Vec<_>, Vec<_>) =
            pods.items.into_iter().map(|pod| pod.metadata).partition(|pod| pod.deletion_timestamp.is_some());
        self.running.retain(|uid, _| wanted.iter().any(|pod| pod.uid == *uid));
        for pod in ending {
            self.cluster.kubectl(&["delete", "pod", &pod.name, "--force", "--grace-period=0"])?;
        }
        for pod in wanted {
            if !self.running.contains_key(&pod.uid) {
                let started = self.node.pod(&pod.name, PodOptions::default())?;
                self.report(&started)?;
                self.running.insert(pod.uid, started);
            }
        }
        Ok(())
    }

    /// Says of a pod that it runs, and its addresses.
    fn report(&self, pod: &Pod) -> Result<()> {
        let addresses: Vec<_> = pod.addresses().iter().map(|address| json!({"ip": address})).collect();
        let status = json!({"status": {"phase": "Running", "podIPs": addresses}});
        self.cluster.kubectl(&["patch", "pod", pod.name(), "--subresource=status", "--patch", &status.to_string()])?;
        Ok(())
    }
}
