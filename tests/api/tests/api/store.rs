//! The API server itself changes: it forgets where a watch was, is another one, or has lost everything.

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use weir::source::Update;
use weir_api_tests::{ControlPlane, Way};

use crate::listening::{Listening, NODE, is_fresh, tier_of, world};
use crate::world::{TIER, UPLINK, define, pod, with_definitions};

/// What the API server says to a watch that begins where the tier "bulk" was changed last.
fn watch_from(cluster: &ControlPlane, version: &str) -> Result<String> {
    let path = format!("/apis/weir.dev/v1alpha1/traffictiers?watch=true&timeoutSeconds=1&resourceVersion={version}");
    cluster.kubectl(&["get", "--raw", &path])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_place_is_forgotten_begins_anew() -> Result<()> {
    let folder = TempDir::new()?;
    let mut cluster = with_definitions()?;
    for object in [UPLINK, TIER, &pod("goes", NODE, "a: b")] {
        cluster.apply(object)?;
    }
    let proxy = cluster.proxy()?;
    let mut listening = Listening::to(&cluster.kubeconfig_through(&proxy, "admin")?, &folder).await?;
    listening.until("the tier is known", |update| tier_of(update, 8_000_000)).await?;
    let list = cluster.kubectl(&["get", "--raw", "/apis/weir.dev/v1alpha1/traffictiers"])?;
    let version = list.split("\"resourceVersion\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let version = version.context("a list has a version")?.to_owned();

    proxy.set(Way::Refuse);
    proxy.reset();
    cluster.apply(&TIER.replace("8M", "6M"))?;
    cluster.kubectl(&["delete", "pod", "goes", "--wait=false", "--grace-period=0", "--force"])?;
    cluster.stop_api_server()?;
    cluster.compact_etcd()?;
    cluster.start_api_server()?;
    let said = watch_from(&cluster, &version)?;
    ensure!(said.contains("\"code\":410"), "a watch may begin at {version}: {said}");

    proxy.set(Way::Pass);
    let right = |update: &Update| {
        is_fresh(update) && tier_of(update, 6_000_000) && world(update).is_some_and(|world| world.pods.is_empty())
    };
    listening.until("what changed meanwhile is known", right).await?;
    cluster.apply(&TIER.replace("8M", "4M"))?;
    listening.until("changes come again", |update| tier_of(update, 4_000_000)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_trusted_when_the_file_has_its_authority() -> Result<()> {
    let folder = TempDir::new()?;
    let mut cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let mut listening = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    listening.until("the tier is known", |update| tier_of(update, 8_000_000)).await?;

    for ceiling in [6, 4] {
        cluster.stop_api_server()?;
        listening.until("it is stale", |update| !is_fresh(update)).await?;
        cluster.renew_certificate()?;
        cluster.start_api_server()?;
        cluster.apply(&TIER.replace("8M", &format!("{ceiling}M")))?;
        let right = |update: &Update| is_fresh(update) && tier_of(update, ceiling * 1_000_000);
        listening.until("the API server with the new certificate is followed", right).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_lost_everything_takes_nothing_away_until_it_is_filled_again() -> Result<()> {
    let folder = TempDir::new()?;
    let mut cluster = with_definitions()?;
    for object in [UPLINK, TIER, &pod("seed", NODE, "traffic-tier: bulk")] {
        cluster.apply(object)?;
    }
    let mut listening = Listening::to(&cluster.kubeconfig("admin")?, &folder).await?;
    let seed = |update: &Update| world(update).is_some_and(|world| world.pods.len() == 1);
    let whole = |update: &Update| tier_of(update, 8_000_000) && seed(update);
    listening.until("everything is known", |update| is_fresh(update) && whole(update)).await?;

    cluster.stop_api_server()?;
    cluster.empty_etcd()?;
    cluster.start_api_server()?;
    let missing = |update: &Update| {
        !is_fresh(update) && update.rejections.iter().any(|rejection| rejection.message.contains("weir crds"))
    };
    let update = listening.until("the missing definitions are named", missing).await?;
    ensure!(whole(&update), "what was known is gone: {update:?}");

    define(&cluster)?;
    cluster.apply(UPLINK)?;
    cluster.apply(&TIER.replace("8M", "6M"))?;
    cluster.apply(&pod("other", NODE, "traffic-tier: bulk"))?;
    let other = |update: &Update| {
        world(update).is_some_and(|world| world.pods.len() == 1 && world.pods.keys().all(|key| key.name == "other"))
    };
    let right = |update: &Update| is_fresh(update) && tier_of(update, 6_000_000) && other(update);
    listening.until("what the new store has is followed", right).await?;
    cluster.apply(TIER)?;
    listening.until("changes come as before", |update| tier_of(update, 8_000_000)).await?;
    Ok(())
}
