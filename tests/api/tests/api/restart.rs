//! The API server goes and comes back.

use anyhow::{Result, ensure};
use weir_api_tests::ControlPlane;

use crate::objects::POD;

#[test]
fn objects_outlive_the_api_server() -> Result<()> {
    let mut cluster = ControlPlane::start()?;
    cluster.apply(POD)?;
    let identity = ["get", "pod", "web", "--namespace=home", "-o", "jsonpath={.metadata.uid} {.spec.nodeName}"];
    let (before, kubeconfig) = (cluster.kubectl(&identity)?, cluster.kubeconfig("admin")?);
    ensure!(before.ends_with(" node1"), "{before}");

    for _ in 0..2 {
        cluster.stop_api_server()?;
        ensure!(cluster.kubectl(&identity).is_err(), "a stopped API server answers");
        ensure!(cluster.stop_api_server().is_err(), "it can be stopped twice");

        cluster.start_api_server()?;
        let after = cluster.kubectl_with(&kubeconfig, &identity)?;
        ensure!(after == before, "{before} became {after}");
        ensure!(cluster.start_api_server().is_err(), "it can be started twice");
    }
    cluster.kubectl(&["delete", "pod", "web", "--namespace=home", "--grace-period=0", "--force"])?;
    ensure!(cluster.kubectl(&identity).is_err(), "the pod is still there");
    Ok(())
}
