//! The network between the agent and the API server fails in every way: nothing that was said is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use weir::source::Update;
use weir_api_tests::{Proxy, Way};
use weir_core::model::PodKey;

use crate::listening::{Listening, NODE, is_fresh, tier_of, world};
use crate::world::{TIER, UPLINK, pod, with_definitions};

/// Between two failures: shorter than a list and a watch take to begin.
const BETWEEN: Duration = Duration::from_millis(150);
/// Objects that change while connections fail.
const CHANGES: usize = 20;
/// Less than an answer may take, and more than any local network takes.
const LATE: Duration = Duration::from_millis(1500);
/// Within this it is asked whether it is there, and answers.
const ASKED_AGAIN: Duration = Duration::from_secs(30);
/// What may pass until somebody notices that nothing is heard any more.
const NOTICED: Duration = Duration::from_mins(1);

/// Fails the connections over and over while `work` runs.
fn while_failing(proxy: &Proxy, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for fail in [Proxy::cut, Proxy::reset].into_iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(BETWEEN);
                fail(proxy);
            }
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_and_reset_over_and_over_lose_nothing() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(&pod("goes", NODE, "number: '0'"))?;
    let proxy = cluster.proxy()?;
    let mut listening = Listening::to(&cluster.kubeconfig_through(&proxy, "admin")?, &folder).await?;
    listening.until("everything is listed", |update| world(update).is_some()).await?;

    let before = proxy.taken();
    while_failing(&proxy, || {
        for number in 0..CHANGES {
            cluster.apply(&pod(&format!("p{number}"), NODE, "number: '1'"))?;
            cluster.apply(&TIER.replace("8M", &format!("{}M", number + 1)))?;
        }
        cluster.kubectl(&["label", "pods", "p3", "number=3", "--overwrite"])?;
        cluster.kubectl(&["delete", "pod", "goes", "--wait=false", "--grace-period=0", "--force"])?;
        Ok(())
    })?;
    ensure!(proxy.taken() > before + 10, "nobody came back: {} connections", proxy.taken() - before);
    let right = |update: &Update| {
        let Some(world) = world(update) else { return false };
        let label = |name: &str| {
            let pod = world.pods.get(&PodKey { namespace: "default".to_owned(), name: name.to_owned() });
            pod.and_then(|pod| pod.labels.get("number")).map(String::as_str)
        };
        world.pods.len() == CHANGES
            && (0..CHANGES).all(|number| label(&format!("p{number}")) == Some(if number == 3 { "3" } else { "1" }))
    };
    let all = |update: &Update| is_fresh(update) && tier_of(update, 20_000_000) && right(update);
    listening.until("everything that changed is known", all).await?;

    cluster.apply(TIER)?;
    listening.until("changes come as before", |update| tier_of(update, 8_000_000)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_comes_whole() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    let proxy = cluster.proxy()?;
    proxy.set(Way::Delay(LATE));
    let mut listening = Listening::to(&cluster.kubeconfig_through(&proxy, "admin")?, &folder).await?;
    let start = Instant::now();
    let update = listening.until("everything is listed", |update| world(update).is_some()).await?;
    ensure!(start.elapsed() > LATE, "nothing was late");
    ensure!(is_fresh(&update), "late is not stale: {update:?}");
    for ceiling in 1..=5 {
        cluster.apply(&TIER.replace("8M", &format!("{ceiling}M")))?;
    }
    listening.until("the last change is known", |update| tier_of(update, 5_000_000)).await?;
    let stale = tokio::time::timeout(ASKED_AGAIN, listening.until("it is stale", |update| !is_fresh(update))).await;
    ensure!(stale.is_err(), "an API server far away is said to be away: {stale:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_is_noticed_and_left_behind() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let proxy = cluster.proxy()?;
    let mut listening = Listening::to(&cluster.kubeconfig_through(&proxy, "admin")?, &folder).await?;
    listening.until("the tier is known", |update| tier_of(update, 8_000_000)).await?;

    proxy.set(Way::BlackHole);
    let start = Instant::now();
    let update = listening.until("it is stale", |update| !is_fresh(update)).await?;
    ensure!(start.elapsed() < NOTICED, "noticed after {:?}", start.elapsed());
    ensure!(tier_of(&update, 8_000_000), "what was known is gone: {update:?}");
    ensure!(!update.rejections.is_empty(), "nobody is told why");
    cluster.apply(&TIER.replace("8M", "6M"))?;

    // The watches of before are dead without a sign; nobody waits for them.
    proxy.set(Way::Pass);
    let fresh = |update: &Update| is_fresh(update) && tier_of(update, 6_000_000);
    listening.until("it is fresh again and the change is known", fresh).await?;
    cluster.apply(&TIER.replace("8M", "4M"))?;
    listening.until("changes come again", |update| tier_of(update, 4_000_000)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_comes_back() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = with_definitions()?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    let proxy = cluster.proxy()?;
    let mut listening = Listening::to(&cluster.kubeconfig_through(&proxy, "admin")?, &folder).await?;
    listening.until("the tier is known", |update| tier_of(update, 8_000_000)).await?;
    for ceiling in [1, 2] {
        proxy.set(Way::Refuse);
        proxy.reset();
        let update = listening.until("it is stale", |update| !is_fresh(update)).await?;
        ensure!(update.world.is_some(), "what was known is gone: {update:?}");
        cluster.apply(&TIER.replace("8M", &format!("{ceiling}M")))?;
        proxy.set(Way::Pass);
        let fresh = |update: &Update| is_fresh(update) && tier_of(update, ceiling * 1_000_000);
        listening.until("it is fresh again and the change is known", fresh).await?;
    }
    let now = listening.now().context("an update")?;
    ensure!(now.rejections.is_empty(), "{now:?}");
    Ok(())
}
