//! The node's files: who may talk to the API server, and the settings of the runtime, the network and the kubelet.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use serde_json::json;

use super::root::Root;
use super::{API_PORT, Network};
use crate::topology::Machine;

/// The kubeconfig of whoever may do everything: people, and the cluster's own programs.
pub(super) const KUBECONFIG: &str = "/etc/kubernetes/admin.kubeconfig";
pub(super) const TOKENS: &str = "/etc/kubernetes/tokens.csv";
/// The API server makes a certificate with its issuer here, and a key, when there are none.
pub(super) const CERTIFICATES: &str = "/etc/kubernetes/certificates";
pub(super) const CONTAINERD: &str = "/etc/containerd/config.toml";
pub(super) const KUBELET: &str = "/etc/kubernetes/kubelet.json";
pub(super) const RUNTIME_SOCKET: &str = "/run/containerd/containerd.sock";
/// The name that the API server's certificate has for whoever comes from the machine itself or its forwarded port.
pub(super) const SERVER_NAME: &str = "localhost";
const POD_NETWORK: &str = "10.244.1.0/24";

/// Writes all of them. With Cilium, its agent writes the CNI configuration once it is ready.
pub(super) fn write(root: &Root, machine: &Machine, of_pods: Network) -> Result<()> {
    let mut random = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("cannot make a token")?;
    let token = format!("{:032x}", u128::from_ne_bytes(random));
    root.write(TOKENS, &format!("{token},admin,admin,system:masters\n"))?;
    let certificate = format!("{CERTIFICATES}/apiserver.crt");
    root.write(KUBECONFIG, &kubeconfig(API_PORT, &certificate, &token))?;
    root.write("/etc/kubernetes/token", &token)?;
    root.write(CONTAINERD, CONTAINERD_CONFIGURATION)?;
    if of_pods == Network::Bridge {
        root.write("/etc/cni/net.d/10-weir.conflist", &network().to_string())?;
    }
    root.write(KUBELET, &kubelet().to_string())?;
    root.write("/etc/hosts", &format!("127.0.0.1 localhost\n{} {}\n", machine.v4(), super::NODE))
}

/// A kubeconfig for a port of 127.0.0.1 (JSON, which is YAML too).
pub(super) fn kubeconfig(port: u16, certificate: &str, token: &str) -> String {
    let cluster = json!({
        "server": format!("https://127.0.0.1:{port}"),
        "tls-server-name": SERVER_NAME,
        "certificate-authority": certificate,
    });
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "weir", "cluster": cluster}],
        "users": [{"name": "weir", "user": {"token": token}}],
        "contexts": [{"name": "weir", "context": {"cluster": "weir", "user": "weir"}}],
        "current-context": "weir",
    })
    .to_string()
}

const CONTAINERD_CONFIGURATION: &str = r#"version = 2

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/weir-lab:pause"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#;

/// The chain that k3s has by default, but for flannel: `bandwidth` shapes pods with an annotation, by way of an ifb.
fn network() -> serde_json::Value {
    let addresses = json!({
        "type": "host-local",
        "ranges": [[{"subnet": POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    json!({
        "cniVersion": "1.0.0",
        "name": "weir",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": true}},
            {"type": "bandwidth", "capabilities": {"bandwidth": true}},
        ],
    })
}

fn kubelet() -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": format!("unix://{RUNTIME_SOCKET}"),
        "failSwapOn": false,
        "resolvConf": "",
        // The disk is as large as its images: nothing is to be thrown away for room.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "imagefs.available": "0%", "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
        },
    })
}
