//! The cilium rung: Weir on a Kubernetes node whose network is Cilium's.
//!
//! Each test is one configuration of Cilium, and `cargo xtask test --rung cilium` boots a VM for each.

mod beside;

use anyhow::Result;
use weir_lab::cluster::Cilium;

use self::beside::a_label_decides_beside;

#[test]
fn kube_proxy_without_bandwidth_manager() -> Result<()> {
    a_label_decides_beside(Cilium { kube_proxy_replacement: false, bandwidth_manager: false })
}

#[test]
fn kube_proxy_with_bandwidth_manager() -> Result<()> {
    a_label_decides_beside(Cilium { kube_proxy_replacement: false, bandwidth_manager: true })
}

#[test]
fn replacement_without_bandwidth_manager() -> Result<()> {
    a_label_decides_beside(Cilium { kube_proxy_replacement: true, bandwidth_manager: false })
}

#[test]
fn replacement_with_bandwidth_manager() -> Result<()> {
    a_label_decides_beside(Cilium { kube_proxy_replacement: true, bandwidth_manager: true })
}
