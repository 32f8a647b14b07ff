//! After the documented way out the node is as it was.

use std::path::Path;

use anyhow::{Result, ensure};
use weir_e2e_tests::{CEILING_MBIT, qdiscs};
use weir_lab::cluster::Cluster;

use crate::world::world;

/// Weir's programs that the kernel has loaded, by bpftool's list.
fn programs(cluster: &Cluster) -> Result<Vec<String>> {
    let list = cluster.run_inside(&["/usr/sbin/bpftool", "prog", "list"])?;
    let ours = ["pod_tx", "pod_rx", "uplink_tx"];
    let lines = list.lines().filter(|line| ours.iter().any(|name| line.contains(&format!("name {name} "))));
    Ok(lines.map(str::to_owned).collect())
}

#[test]
fn uninstalling_leaves_the_node_as_it_was() -> Result<()> {
    let world = world()?;
    world.installed()?;
    let cluster = &world.cluster;
    let (loaded, shaped) = (programs(cluster)?, qdiscs(cluster)?);
    ensure!(!loaded.is_empty() && shaped.contains("fq"), "Weir is not at work: {loaded:?}, {shaped}");

    world.delete()?;
    cluster.kustomization("apply", "cleanup")?;
    cluster.rolled_out("weir-cleanup", "daemonset/weir-cleanup")?;

    let (loaded, after) = (programs(cluster)?, qdiscs(cluster)?);
    ensure!(loaded.is_empty(), "programs are left: {loaded:?}");
    ensure!(after == world.qdiscs_before, "before Weir: {}\nafter it: {after}", world.qdiscs_before);
    ensure!(!Path::new("/sys/fs/bpf/weir").exists(), "pins are left in /sys/fs/bpf/weir");
    world.wait_marked(false)?;
    let goodput = world.goodput();
    ensure!(goodput > 3.0 * CEILING_MBIT, "the seed still sends only {goodput:.2} Mbit/s");
    cluster.kustomization("delete", "cleanup")?;
    let left = cluster.kubectl(&["get", "namespaces,clusterroles,clusterrolebindings,crds", "-o", "name"])?;
    let left: Vec<&str> = left.lines().filter(|name| name.contains("weir")).collect();
    ensure!(left.is_empty(), "objects are left: {left:?}");
    Ok(())
}
