//! Objects are taken, kept and served.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};
use weir_api_tests::ControlPlane;

/// A pod that somebody put onto a node already, in a namespace of its own.
pub(crate) const POD: &str = r"
apiVersion: v1
kind: Namespace
metadata:
  name: home
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: home
  annotations:
    kubernetes.io/egress-bandwidth: 5M
spec:
  nodeName: node1
  containers:
    - name: web
      image: registry.example/web:1
";

#[test]
fn it_is_ready_with_its_default_namespace_and_ends_when_dropped() -> Result<()> {
    let cluster = ControlPlane::start()?;
    ensure!(cluster.kubectl(&["get", "--raw", "/readyz"])? == "ok");
    let version = cluster.kubectl(&["get", "--raw", "/version"])?;
    ensure!(version.contains(r#""gitVersion": "v1."#), "{version}");
    cluster.kubectl(&["get", "namespace", "default"])?;

    let (port, kubeconfig) = (cluster.port(), cluster.kubeconfig("admin")?);
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("nobody listens")?;
    drop(cluster);
    ensure!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "port {port} is still open");
    let folder = kubeconfig.parent().context("a kubeconfig lies in a folder")?;
    ensure!(!folder.exists(), "{} is still there", folder.display());
    Ok(())
}

#[test]
fn a_pod_on_a_node_gets_a_status() -> Result<()> {
    let cluster = ControlPlane::start()?;
    cluster.apply(POD)?;
    let pod = |path: &str| cluster.kubectl(&["get", "pod", "web", "--namespace=home", "-o", path]);
    ensure!(pod("jsonpath={.spec.nodeName} {.status.phase} {.status.podIP}")? == "node1 Pending ");

    let status = r#"{"status": {"phase": "Running", "podIP": "10.1.1.2", "podIPs": [{"ip": "10.1.1.2"}]}}"#;
    cluster.kubectl(&[
        "patch",
        "pod",
        "web",
        "--namespace=home",
        "--subresource=status",
        "--type=merge",
        "--patch",
        status,
    ])?;
    let seen = pod("jsonpath={.spec.nodeName} {.status.phase} {.status.podIP}")?;
    ensure!(seen == "node1 Running 10.1.1.2", "{seen}");
    let on_other = cluster.kubectl(&["get", "pods", "-A", "--field-selector=spec.nodeName=node2", "-o", "name"])?;
    ensure!(on_other.is_empty(), "{on_other}");
    Ok(())
}

#[test]
fn a_field_that_nobody_knows_is_refused() -> Result<()> {
    let cluster = ControlPlane::start()?;
    let wrong = POD.replace("nodeName", "nodeNaem");
    let error = cluster.apply(&wrong).err().context("it was taken")?.to_string();
    ensure!(error.contains("unknown field") && error.contains("nodeNaem"), "{error}");
    let left = cluster.kubectl(&["get", "pods", "-A", "-o", "name"])?;
    ensure!(left.is_empty(), "{left}");
    Ok(())
}
