//! The API server as the source of objects: what it says is what the agent knows.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use weir::source::Update;
use weir_api_tests::ControlPlane;
use weir_core::model::PodKey;

use crate::listening::{Listening, NODE, tier_of, world};
use crate::world::{TIER, UPLINK, pod, with_definitions};

/// How long something may take that is not measured here.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_known_and_other_nodes_pods_are_not() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    cluster.apply(&pod("seed", NODE, "traffic-tier: bulk"))?;
    cluster.apply(&pod("elsewhere", "n2", "traffic-tier: bulk"))?;
    let mut listening = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    let update = listening.until("everything is listed", |update| world(update).is_some()).await?;
    let known = world(&update).context("a world")?;
    let names: Vec<String> = known.pods.keys().map(PodKey::to_string).collect();
    ensure!(names == ["default/seed"], "{names:?}");
    ensure!(known.uplinks.contains_key("wan") && known.namespaces.contains_key("default"), "{known:?}");
    ensure!(update.rejections.is_empty() && update.unreadable_since.is_none(), "{update:?}");

    cluster.kubectl(&["label", "pod", "seed", "traffic-tier-"])?;
    let unlabelled = |update: &Update| {
        world(update).is_some_and(|world| world.pods.values().all(|pod| !pod.labels.contains_key("traffic-tier")))
    };
    listening.until("the label is gone", unlabelled).await?;
    cluster.kubectl(&["delete", "pod", "seed", "--wait=false", "--grace-period=0", "--force"])?;
    listening.until("the pod is gone", |update| world(update).is_some_and(|world| world.pods.is_empty())).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_definitions_nothing_is_known_and_it_is_said_what_to_do() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = ControlPlane::start()?;
    let mut listening = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    let says = |update: &Update| update.rejections.iter().any(|rejection| rejection.message.contains("weir crds"));
    let update = listening.until("the missing definitions are named", says).await?;
    ensure!(update.world.is_none(), "a world without its uplinks: {update:?}");
    cluster.apply(&weir_api::objects::manifest())?;
    let update = listening.until("everything is listed", |update| world(update).is_some()).await?;
    ensure!(update.rejections.is_empty() && update.unreadable_since.is_none(), "{update:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_away_leaves_the_last_known_and_is_followed_when_it_returns() -> Result<()> {
    let folder = TempDir::new()?;
    let mut cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let mut listening = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    listening.until("the tier is known", |update| tier_of(update, 8_000_000)).await?;

    cluster.stop_api_server()?;
    let update = listening.until("it is stale", |update| update.unreadable_since.is_some()).await?;
    ensure!(tier_of(&update, 8_000_000), "what was known is gone: {update:?}");
    ensure!(!update.rejections.is_empty(), "nobody is told why");

    cluster.start_api_server()?;
    let fresh = |update: &Update| update.unreadable_since.is_none() && tier_of(update, 8_000_000);
    listening.until("it is fresh again", fresh).await?;
    cluster.apply(&TIER.replace("8M", "6M"))?;
    listening.until("changes come again", |update| tier_of(update, 6_000_000)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_while_the_api_server_is_away_knows_what_the_last_one_knew() -> Result<()> {
    let folder = TempDir::new()?;
    let mut cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let mut first = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    first.until("the tier is known", |update| tier_of(update, 8_000_000)).await?;
    let kept = folder.path().join("objects.json");
    let wait = async {
        while !kept.is_file() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.context("nothing was kept")?;
    drop(first);

    cluster.stop_api_server()?;
    let mut second = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    let update = second.until("the tier is known from before", |update| tier_of(update, 8_000_000)).await?;
    ensure!(update.unreadable_since.is_some() && !update.rejections.is_empty(), "it does not say so: {update:?}");
    cluster.start_api_server()?;
    cluster.kubectl(&["delete", "traffictier", "bulk"])?;
    let gone = |update: &Update| {
        update.unreadable_since.is_none() && world(update).is_some_and(|world| world.tiers.is_empty())
    };
    second.until("the change is followed", gone).await?;
    Ok(())
}
