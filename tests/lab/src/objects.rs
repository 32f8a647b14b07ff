//! The folder of YAML objects that an agent watches.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::topology::{Node, Pod};

/// A folder of objects. Every write is atomic, as a careful person's (or tool's) is.
#[derive(Debug)]
pub struct Objects {
    dir: PathBuf,
}

impl Objects {
    pub(crate) fn in_dir(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file: beside its place first, then renamed into it.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let (place, draft) = (self.dir.join(file), self.dir.join(format!(".{file}.new")));
        fs::write(&draft, text).with_context(|| format!("cannot write {}", draft.display()))?;
        fs::rename(&draft, &place).with_context(|| format!("cannot write {}", place.display()))
    }

    /// Writes objects as the documents of one file. (JSON is YAML too.)
    pub fn apply(&self, file: &str, objects: &[Value]) -> Result<()> {
        let documents: Vec<String> =
            objects.iter().map(serde_json::to_string_pretty).collect::<Result<_, _>>().context("an object")?;
        self.write(file, &documents.join("\n---\n"))
    }

    /// Removes a file.
    pub fn remove(&self, file: &str) -> Result<()> {
        let place = self.dir.join(file);
        fs::remove_file(&place).with_context(|| format!("cannot remove {}", place.display()))
    }

    /// Writes the node's own object and the namespace of its pods.
    pub fn apply_node(&self, node: &Node) -> Result<()> {
        let addresses: Vec<Value> =
            [node.v4(), node.v6()].iter().map(|ip| json!({"type": "InternalIP", "address": ip})).collect();
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}},
        });
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node.name(), "labels": {"kubernetes.io/hostname": node.name()}},
            "status": {"addresses": addresses},
        });
        self.apply("node.yaml", &[namespace, node])
    }

    /// Writes an `Uplink` named `wan`; `spec` as in its reference, such as `{"capacity": "20M"}`.
    pub fn apply_uplink(&self, spec: &Value) -> Result<()> {
        let uplink = json!({
            "apiVersion": "weir.dev/v1alpha1", "kind": "Uplink", "metadata": {"name": "wan"}, "spec": spec,
        });
        self.apply("uplink.yaml", &[uplink])
    }

    /// Writes a `TrafficTier` on the uplink `wan`.
    pub fn apply_tier(&self, name: &str, spec: &Value) -> Result<()> {
        let mut spec = spec.clone();
        spec["uplink"] = json!("wan");
        let tier = json!({
            "apiVersion": "weir.dev/v1alpha1", "kind": "TrafficTier", "metadata": {"name": name}, "spec": spec,
        });
        self.apply(&format!("tier-{name}.yaml"), &[tier])
    }

    /// Writes a pod's object with these labels.
    pub fn apply_pod(&self, pod: &Pod, labels: &[(&str, &str)]) -> Result<()> {
        self.apply(&pod_file(pod), &[pod_object(pod, labels)])
    }

    /// Removes a pod's object.
    pub fn remove_pod(&self, pod: &Pod) -> Result<()> {
        self.remove(&pod_file(pod))
    }
}

fn pod_file(pod: &Pod) -> String {
    format!("pod-{}.yaml", pod.name())
}

/// A running pod's object, as the API server would show it.
#[must_use]
pub fn pod_object(pod: &Pod, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let ips: Vec<Value> = pod.addresses().iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name(), "namespace": "default", "uid": pod.uid(), "labels": labels},
        "spec": {"nodeName": pod.node(), "containers": [{"name": "main", "image": "example.org/main"}]},
        "status": {"phase": "Running", "podIP": pod.addresses().first(), "podIPs": ips},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_whole_and_leaves_no_draft() {
        let dir = std::env::temp_dir().join(format!("weir-lab-objects-test-{}", std::process::id()));
        let objects = Objects::in_dir(dir.clone()).unwrap();
        objects.write("a.yaml", "first").unwrap();
        objects.apply("a.yaml", &[json!({"kind": "A"}), json!({"kind": "B"})]).unwrap();
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let text = fs::read_to_string(dir.join("a.yaml")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(names, ["a.yaml"]);
        assert_eq!(text.matches("---").count(), 1, "{text}");
    }
}
