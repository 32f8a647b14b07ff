//! kubectl as a person would use it on the node.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::configuration::{CERTIFICATES, KUBECONFIG, kubeconfig};
use super::{API_PORT, Cluster, named_by};
use crate::process::Process;

/// Longer than the longest wait that kubectl is asked for.
const LIMIT: Duration = Duration::from_mins(12);
/// Where objects lie for kubectl to read.
const OBJECTS: &str = "/tmp/objects.json";

impl Cluster {
    /// Runs kubectl as somebody who may do everything, and gives what it prints.
    ///
    /// # Errors
    /// If it fails, with what it said, or if it takes longer than anything here should.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let kubeconfig = self.outside_kubeconfig()?;
        let mut command = Command::new(self.path("/usr/bin/kubectl"));
        command.env_clear().env("HOME", "/tmp").arg("--kubeconfig").arg(&kubeconfig).args(arguments);
        let finished = Process::spawn(command)?.wait(LIMIT)?;
        if finished.code != Some(0) {
            let said = [finished.stderr, finished.stdout].map(|text| text.trim().to_owned());
            bail!("`kubectl {}` failed: {}", arguments.join(" "), said.join("\n").trim());
        }
        Ok(finished.stdout)
    }

    /// Writes objects as `kubectl apply` does.
    ///
    /// Without kubectl's own look at the fields: for a kind that has just been defined it waits for the description
    /// of all kinds, which an emulated server takes a minute for.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.root.write(OBJECTS, &list)?;
        self.kubectl(&["apply", "--validate=ignore", "-f", &self.path(OBJECTS).to_string_lossy()]).map(drop)
    }

    /// `kubectl apply -k` or `delete -k` of a folder of the project's `deploy/`; "" is that folder itself.
    pub fn kustomization(&self, verb: &str, folder: &str) -> Result<String> {
        let path = named_by("WEIR_DEPLOY")?.join(folder);
        self.kubectl(&[verb, "-k", &path.to_string_lossy()])
    }

    /// Waits until every pod of a workload, such as `deployment/seed`, is new and ready.
    pub fn rolled_out(&self, namespace: &str, workload: &str) -> Result<()> {
        let said = self.kubectl(&["rollout", "status", "-n", namespace, workload, "--timeout=600s"]);
        let Err(error) = said else { return Ok(()) };
        let told = |arguments: &[&str]| self.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}"));
        let pods = told(&["describe", "pods", "-n", namespace]);
        let logs = told(&["logs", "-n", namespace, workload, "--all-containers", "--tail=30"]);
        bail!("{error:#}\n{pods}\n{logs}\n{}", self.last_words())
    }

    /// Runs a command of `weir` in the agent's container, such as `weir status`.
    pub fn weir(&self, arguments: &[&str]) -> Result<String> {
        let exec = ["exec", "-n", "weir-system", "daemonset/weir", "--", "/weir"];
        self.kubectl(&[&exec, arguments].concat())
    }

    /// What somebody outside of the machine needs to write a kubeconfig: the API server's certificate, and a token.
    pub fn credentials(&self) -> Result<(String, String)> {
        let read = |path: &str| {
            std::fs::read_to_string(self.path(path)).with_context(|| format!("cannot read the node's {path}"))
        };
        Ok((read(&format!("{CERTIFICATES}/apiserver.crt"))?, read("/etc/kubernetes/token")?))
    }

    /// A kubeconfig whose paths are those outside of the node's root, where kubectl finds the project's files too.
    fn outside_kubeconfig(&self) -> Result<PathBuf> {
        let path = self.path(KUBECONFIG).with_extension("outside");
        if !path.exists() {
            let (_, token) = self.credentials()?;
            let certificate = self.path(&format!("{CERTIFICATES}/apiserver.crt"));
            std::fs::write(&path, kubeconfig(API_PORT, &certificate.to_string_lossy(), &token))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(path)
    }
}
