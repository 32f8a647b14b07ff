//! What most tests start from: a control plane that knows Weir's resources, and some objects.

use anyhow::{Context, Result};
use weir_api_tests::ControlPlane;

/// An uplink of 20 Mbit/s.
pub(crate) const UPLINK: &str = "apiVersion: weir.dev/v1alpha1
kind: Uplink
metadata: {name: wan}
spec: {capacity: 20M}
";
/// A tier on it, with a ceiling of 8 Mbit/s.
pub(crate) const TIER: &str = "apiVersion: weir.dev/v1alpha1
kind: TrafficTier
metadata: {name: bulk}
spec: {uplink: wan, ceiling: 8M}
";

/// A control plane with Weir's definitions in use.
pub(crate) fn with_definitions() -> Result<ControlPlane> {
    let cluster = ControlPlane::start()?;
    define(&cluster)?;
    Ok(cluster)
}

/// Makes Weir's resources known.
pub(crate) fn define(cluster: &ControlPlane) -> Result<()> {
    cluster.apply(&weir_api::objects::manifest()).context("the definitions")?;
    established(cluster)
}

/// Waits until the API server serves Weir's resources.
pub(crate) fn established(cluster: &ControlPlane) -> Result<()> {
    cluster.kubectl(&[
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd/uplinks.weir.dev",
        "crd/traffictiers.weir.dev",
        "crd/weirnodes.weir.dev",
    ])?;
    Ok(())
}

/// A pod on a node, in the namespace `default`.
pub(crate) fn pod(name: &str, node: &str, labels: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{{labels}}}}}
spec: {{nodeName: {node}, containers: [{{name: main, image: none}}]}}
"
    )
}
