//! Cilium as the cluster's network: its configuration, and the command lines of its agent and operator.
//!
//! The options follow the defaults of Cilium's Helm chart. IPv6, Hubble, Envoy and health checks between nodes are off.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::configuration::KUBECONFIG;
use super::{Cluster, NODE, UPLINK};

/// The namespace of Cilium's own objects.
const NAMESPACE: &str = "kube-system";
const POD_NETWORKS: &str = "10.244.0.0/16";
/// The CNI configuration that the agent writes.
const CONFIGURATION: &str = "/etc/cni/net.d/05-cilium.conflist";
/// The socket of the agent's API.
const SOCKET: &str = "/run/cilium/cilium.sock";
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A configuration of Cilium. It decides which way a packet takes from a pod to the uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cilium {
    /// Whether Cilium replaces kube-proxy. Then its BPF programs also masquerade and redirect packets to the uplink, and
    /// the node's network stack does not see them; otherwise iptables masquerades and the stack forwards.
    pub kube_proxy_replacement: bool,
    /// Whether Cilium's bandwidth manager paces pods with the annotation `kubernetes.io/egress-bandwidth`.
    pub bandwidth_manager: bool,
}

impl Cilium {
    /// Returns the command line of the agent.
    pub(super) fn agent(self) -> Command {
        let mut command = Command::new("/usr/bin/cilium-agent");
        command
            .env("K8S_NODE_NAME", NODE)
            .env("CILIUM_K8S_NAMESPACE", NAMESPACE)
            .args(common())
            .arg(format!("--devices={UPLINK}"))
            .arg(format!("--kube-proxy-replacement={}", self.kube_proxy_replacement))
            .arg(format!("--enable-bpf-masquerade={}", self.kube_proxy_replacement))
            .arg(format!("--enable-bandwidth-manager={}", self.bandwidth_manager))
            .arg(format!("--write-cni-conf-when-ready={CONFIGURATION}"))
            .args(["--cni-exclusive=true", "--cni-log-file=/run/cilium/cilium-cni.log"])
            .args(["--enable-ipv4=true", "--enable-ipv6=false", "--enable-ipv4-masquerade=true"])
            .args(["--bpf-map-dynamic-size-ratio=0.0025", "--preallocate-bpf-maps=false"])
            .args(["--monitor-aggregation=medium", "--enable-bpf-clock-probe=true"])
            .args(["--enable-hubble=false", "--enable-l7-proxy=false", "--disable-envoy-version-check=true"])
            .args(["--enable-health-checking=false", "--enable-endpoint-health-checking=false"]);
        if self.kube_proxy_replacement {
            // As in Cilium's tuning guide.
            command.args(["--routing-mode=native", &format!("--ipv4-native-routing-cidr={POD_NETWORKS}")]);
        } else {
            command.args(["--routing-mode=tunnel", "--tunnel-protocol=vxlan"]);
        }
        command
    }

    /// Returns the command line of the operator, which registers Cilium's CRDs and assigns the node's pod network.
    pub(super) fn operator() -> Command {
        let mut command = Command::new("/usr/bin/cilium-operator");
        command
            .env("CILIUM_K8S_NAMESPACE", NAMESPACE)
            .args(common())
            .args([&format!("--cluster-pool-ipv4-cidr={POD_NETWORKS}"), "--cluster-pool-ipv4-mask-size=24"])
            .args(["--enable-ipv4=true", "--enable-ipv6=false", "--enable-metrics=false"])
            .args(["--operator-api-serve-addr=127.0.0.1:9234", "--unmanaged-pod-watcher-interval=0"]);
        command
    }
}

/// Returns the options that the agent and the operator share.
fn common() -> [String; 5] {
    [
        format!("--k8s-kubeconfig-path={KUBECONFIG}"),
        "--cluster-name=default".to_owned(),
        "--cluster-id=0".to_owned(),
        "--identity-allocation-mode=crd".to_owned(),
        "--ipam=cluster-pool".to_owned(),
    ]
}

impl Cluster {
    /// Starts the operator, then the agent, and waits until the agent answers the CNI plugin.
    ///
    /// One after the other, because the agent only waits for the CRDs that the operator registers.
    pub(super) fn start_cilium(&mut self, cilium: Cilium, tell: &impl Fn(&str)) -> Result<()> {
        tell("starting Cilium's operator");
        self.spawn("cilium-operator", Cilium::operator())?;
        self.eventually("Cilium's operator registers no CRDs", |cluster| {
            cluster.kubectl(&["get", "--raw", "/apis/cilium.io/v2/ciliumnodes"]).map(drop)
        })?;
        tell("starting Cilium's agent, which compiles its BPF programs");
        let configuration = self.path(CONFIGURATION);
        if let Some(folder) = configuration.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        self.spawn("cilium-agent", cilium.agent())?;
        // An agent writes the CNI configuration before it has started, and may fail after that.
        self.eventually("Cilium's agent is not ready", |cluster| {
            let status = cluster.cilium_status()?;
            let overall = &status["cilium"];
            ensure!(overall["state"] == "Ok", "its status is {overall}");
            ensure!(configuration.exists(), "it has not written the CNI configuration");
            Ok(())
        })
    }

    /// Returns the status that Cilium's agent reports, as `cilium status` prints it.
    pub fn cilium_status(&self) -> Result<Value> {
        let path = self.path(SOCKET);
        let mut socket =
            UnixStream::connect(&path).with_context(|| format!("no agent listens at {}", path.display()))?;
        socket.set_read_timeout(Some(ANSWER_LIMIT))?;
        // HTTP 1.0: the answer comes in one piece and ends with the connection.
        socket.write_all(b"GET /v1/healthz HTTP/1.0\r\nHost: cilium\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).context("cannot read the agent's answer")?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).with_context(|| format!("the agent's answer is no status: {answer}"))
    }
}
