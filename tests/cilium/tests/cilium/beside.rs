//! What must hold beside Cilium in every configuration.

use anyhow::{Result, ensure};
use weir_e2e_tests::{CEILING_MBIT, World, qdiscs};
use weir_lab::cluster::{Cilium, Network};

/// Fails unless the pod of a Deployment is held to its tier's ceiling while it carries the label, and only then.
pub(crate) fn a_label_decides_beside(cilium: Cilium) -> Result<()> {
    let world = World::start(Network::Cilium(cilium))?;
    is_in_force(&world, cilium)?;
    let unshaped = world.goodput();
    eprintln!("goodput without Weir: {unshaped:.2} Mbit/s");
    ensure!(unshaped > 3.0 * CEILING_MBIT, "{unshaped:.2} Mbit/s get through without Weir");
    world.install()?;
    eprintln!("{}\n{}", world.cluster.weir(&["status"])?, qdiscs(&world.cluster)?);
    world.a_label_decides()?;
    if cilium.bandwidth_manager {
        both_hold_an_annotated_pod(&world)?;
    }
    Ok(())
}

/// Fails unless Cilium runs in the requested configuration. It falls back to another one where the kernel lacks something.
fn is_in_force(world: &World, cilium: Cilium) -> Result<()> {
    let status = world.cluster.cilium_status()?;
    let found = [
        ("kube-proxy replacement", status["kube-proxy-replacement"]["mode"] == "True"),
        ("masquerading", status["masquerading"]["mode"] == "BPF"),
        ("routing", status["routing"]["intra-host-routing-mode"] == "BPF"),
    ];
    for (what, replaced) in found {
        ensure!(replaced == cilium.kube_proxy_replacement, "Cilium's {what} is not as requested:\n{status:#}");
    }
    let paces = status["bandwidth-manager"]["enabled"] == true;
    ensure!(paces == cilium.bandwidth_manager, "Cilium's bandwidth manager is not as requested:\n{status:#}");
    ensure!(!paces || world.qdiscs_before.contains("fq"), "Cilium set up no fq: {}", world.qdiscs_before);
    Ok(())
}

/// The rate of the annotation: half of the tier's ceiling.
const ANNOTATED_MBIT: f64 = CEILING_MBIT / 2.0;

/// Fails unless a pod with `kubernetes.io/egress-bandwidth`, which both Cilium and Weir pace, reaches and keeps that rate
/// with and without its tier.
fn both_hold_an_annotated_pod(world: &World) -> Result<()> {
    let annotation = format!("kubernetes.io/egress-bandwidth={ANNOTATED_MBIT}M");
    world.cluster.kubectl(&["annotate", "pod", "-l", "app=seed", "--overwrite", &annotation])?;
    let with = world.goodput_labelled(true)?;
    let without = world.goodput_labelled(false)?;
    eprintln!("goodput in Mbit/s of the annotated pod: {with:.2} with the label, {without:.2} without");
    for rate in [with, without] {
        ensure!(rate <= ANNOTATED_MBIT, "{rate:.2} Mbit/s went over the pod's annotation");
        ensure!(rate > 0.75 * ANNOTATED_MBIT, "the pod got only {rate:.2} of {ANNOTATED_MBIT} Mbit/s");
    }
    Ok(())
}
