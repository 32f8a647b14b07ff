//! The command lines of the cluster's programs, inside the node's root.

use std::process::Command;

use anyhow::Result;

use super::cilium::Cilium;
use super::configuration::{CERTIFICATES, CONTAINERD, KUBECONFIG, KUBELET, TOKENS};
use super::{API_PORT, NODE, Network};
use crate::topology::Machine;

const ETCD: &str = "http://127.0.0.1:2379";
/// All controllers but some that nothing here needs. The one of quotas watches every kind of object.
const UNUSED_CONTROLLERS: &str = "--controllers=*,-resourcequota-controller,-horizontal-pod-autoscaler-controller,\
    -cronjob-controller,-persistentvolume-binder-controller,-persistentvolume-attach-detach-controller,\
    -persistentvolume-expander-controller,-certificatesigningrequest-approving-controller,\
    -certificatesigningrequest-signing-controller,-certificatesigningrequest-cleaner-controller";
const SERVICE_NETWORK: &str = "10.96.0.0/16";
/// What QEMU's user network gives the machine on the interface whose port the host forwards.
const HOST_NIC: &str = "eth0";
const HOST_NIC_ADDRESS: &str = "10.0.2.15/24";

/// Makes the machine forward as a node does, and reachable from the host where the VM has a NIC for that.
pub(super) fn prepare(machine: &Machine) -> Result<()> {
    let ns = machine.ns();
    ns.sysctl("net/ipv4/ip_forward", "1")?;
    ns.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    ns.sysctl("net/bridge/bridge-nf-call-iptables", "1")?;
    if std::path::Path::new("/sys/class/net").join(HOST_NIC).exists() {
        ns.ip(&[format!("addr add {HOST_NIC_ADDRESS} dev {HOST_NIC}"), format!("link set {HOST_NIC} up")])?;
    }
    Ok(())
}

pub(super) fn etcd() -> Command {
    let mut command = Command::new("/usr/bin/etcd");
    command.args(["--name", "weir", "--log-level", "warn", "--unsafe-no-fsync", "--data-dir", "/var/lib/etcd"]);
    command.args(["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD]);
    command
}

pub(super) fn api_server(machine: &Machine) -> Command {
    let key = format!("{CERTIFICATES}/apiserver.key");
    let mut command = Command::new("/usr/bin/kube-apiserver");
    command
        .arg(format!("--advertise-address={}", machine.v4()))
        .arg(format!("--secure-port={API_PORT}"))
        .arg(format!("--etcd-servers={ETCD}"))
        .arg(format!("--cert-dir={CERTIFICATES}"))
        // The key of the certificate signs service accounts' tokens as well, which saves making another.
        .arg(format!("--service-account-key-file={key}"))
        .arg(format!("--service-account-signing-key-file={key}"))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!("--token-auth-file={TOKENS}"))
        .arg("--authorization-mode=RBAC")
        .arg(format!("--service-cluster-ip-range={SERVICE_NETWORK}"))
        .arg("--kubelet-preferred-address-types=InternalIP")
        // Nobody floods this server, and the objects of the defence take an emulated machine long to write.
        .arg("--enable-priority-and-fairness=false")
        .arg("--allow-privileged=true");
    command
}

pub(super) fn containerd() -> Command {
    let mut command = Command::new("/usr/bin/containerd");
    command.args(["--config", CONTAINERD, "--log-level", "warn"]);
    command
}

pub(super) fn kubelet(machine: &Machine) -> Command {
    let mut command = Command::new("/usr/bin/kubelet");
    command
        .args(["--config", KUBELET, "--kubeconfig", KUBECONFIG, "--hostname-override", NODE])
        .arg(format!("--node-ip={}", machine.v4()));
    command
}

/// Those that talk to the API server and need what it has made when it is ready.
pub(super) fn clients(machine: &Machine, network: Network) -> Vec<(&'static str, Command)> {
    let mut controllers = Command::new("/usr/bin/kube-controller-manager");
    controllers
        .args(["--kubeconfig", KUBECONFIG, "--leader-elect=false", "--secure-port=0"])
        .arg(UNUSED_CONTROLLERS)
        .arg(format!("--service-account-private-key-file={CERTIFICATES}/apiserver.key"))
        .arg(format!("--root-ca-file={CERTIFICATES}/apiserver.crt"));
    let mut scheduler = Command::new("/usr/bin/kube-scheduler");
    scheduler.args(["--kubeconfig", KUBECONFIG, "--leader-elect=false", "--secure-port=0"]);
    let mut programs =
        vec![("kubelet", kubelet(machine)), ("kube-controller-manager", controllers), ("kube-scheduler", scheduler)];
    let mut proxy = Command::new("/usr/bin/kube-proxy");
    proxy
        .args(["--kubeconfig", KUBECONFIG, "--hostname-override", NODE, "--proxy-mode=nftables"])
        .args(["--cluster-cidr=10.244.0.0/16", "--conntrack-max-per-core=0"]);
    if !matches!(network, Network::Cilium(Cilium { kube_proxy_replacement: true, .. })) {
        programs.push(("kube-proxy", proxy));
    }
    programs
}
