//! What the agents of the other nodes have said.

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use weir_api::objects::{OnNode, State, WeirNode, WeirNodeSpec, WeirNodeStatus};

use crate::cluster::{AT_ONCE, Tier};

/// Tiers that have a pod on a node.
const BUSY: usize = 5;

/// Writes a `WeirNode` for each of the nodes, as its agent would.
pub(crate) async fn write(client: &Client, nodes: &[String], tiers: &[Tier]) -> Result<()> {
    eprintln!("writing the reports of {} nodes", nodes.len());
    let api = Api::<WeirNode>::all(client.clone());
    let writes = nodes.iter().enumerate().map(|(number, node)| {
        let (api, status) = (&api, status(number, tiers));
        async move {
            api.create(&PostParams::default(), &WeirNode::new(node, WeirNodeSpec {})).await?;
            let patch = Patch::Merge(json!({"status": status}));
            api.patch_status(node, &PatchParams::default(), &patch).await?;
            anyhow::Ok(())
        }
    });
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

/// Everything is in force there; some tiers have a pod, which sends.
fn status(number: usize, tiers: &[Tier]) -> WeirNodeStatus {
    let row = |name: &str, pods: u32, rate: u64| OnNode {
        name: name.to_owned(),
        generation: 1,
        state: State::Enforced,
        pods,
        pods_enforced: pods,
        rate,
        ..OnNode::default()
    };
    let megabits = 1_000_000 * (1 + number as u64 % 99);
    let tier = |(index, tier): (usize, &Tier)| {
        let is_busy = (index + number) % tiers.len() < BUSY;
        row(&tier.name, u32::from(is_busy), if is_busy { megabits } else { 0 })
    };
    WeirNodeStatus {
        reported_at: Some(Time(Timestamp::now())),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: "6.12.0".to_owned(),
        uplinks: vec![row("wan", 0, BUSY as u64 * megabits)],
        tiers: tiers.iter().enumerate().map(tier).collect(),
        ..WeirNodeStatus::default()
    }
}
