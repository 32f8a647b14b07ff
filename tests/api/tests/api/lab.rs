//! A control plane inside a node of the lab.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};
use weir_api_tests::ControlPlane;
use weir_lab::{Lab, LabOptions, NodeOptions};

use crate::objects::POD;

#[test]
fn it_runs_inside_a_node_and_is_seen_from_there_alone() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let mut cluster = ControlPlane::start_in(node.ns())?;
    cluster.apply(POD)?;
    let here = (Ipv4Addr::LOCALHOST, cluster.port());
    node.ns().enter(|| TcpStream::connect(here).context("nobody listens inside the node"))?;
    ensure!(TcpStream::connect(here).is_err(), "the API server listens outside of the node");

    cluster.stop_api_server()?;
    cluster.start_api_server()?;
    let pods = cluster.kubectl(&["get", "pods", "-A", "-o", "name"])?;
    ensure!(pods == "pod/web\n", "{pods}");
    Ok(())
}
