//! The API server answers with errors: what was known stays, it is said why nothing new is heard, and it goes on.

use std::net::TcpListener;

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use weir::source::Update;
use weir_api_tests::{ControlPlane, Proxy, Rule, Setup};

use crate::listening::{Listening, is_fresh, tier_of};
use crate::world::{TIER, UPLINK, define};

/// Who watches.
const USER: &str = "agent";
/// What a source watches.
pub(crate) const WATCHES: [Rule; 2] = [
    Rule { api_groups: &[""], resources: &["pods", "nodes", "namespaces"], verbs: &["get", "list", "watch"] },
    Rule { api_groups: &["weir.dev"], resources: &["uplinks", "traffictiers"], verbs: &["list", "watch"] },
];
/// Of this level one request is served at a time (API priority and fairness); others are told to come later, with 429.
const NARROW: &str = "apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: narrow}
spec:
  type: Limited
  limited:
    nominalConcurrencyShares: 0
    borrowingLimitPercent: 0
    limitResponse: {type: Reject}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: narrow}
spec:
  matchingPrecedence: 2
  priorityLevelConfiguration: {name: narrow}
  rules:
  - subjects: [{kind: User, user: {name: agent}}]
    resourceRules:
    - {verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*']}
";
/// Somebody who is asked about every `ConfigMap`, and never answers.
const SLOW: &str = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: slow}
webhooks:
- name: slow.weir.dev
  clientConfig: {url: 'https://127.0.0.1:PORT/'}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  failurePolicy: Ignore
  timeoutSeconds: 15
  sideEffects: None
  admissionReviewVersions: [v1]
";

/// A control plane, somebody who watches it through a proxy and may, and knows a tier of 8 Mbit/s.
async fn watched(folder: &TempDir) -> Result<(ControlPlane, Proxy, Listening)> {
    let cluster = Setup::default().user(USER).start()?;
    define(&cluster)?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    cluster.allow(USER, None, &WATCHES)?;
    let proxy = cluster.proxy()?;
    let mut listening = Listening::to(&cluster.kubeconfig_through(&proxy, USER)?, folder).await?;
    listening.until("the tier is known", |update| is_fresh(update) && tier_of(update, 8_000_000)).await?;
    Ok((cluster, proxy, listening))
}

/// Stale, with what was known, and a reason that has these words.
fn is_kept(update: &Update, words: &str) -> bool {
    let says = |text: &str| text.to_lowercase().contains(words);
    !is_fresh(update)
        && tier_of(update, 8_000_000)
        && update.rejections.iter().any(|rejection| says(&rejection.message))
}

/// It is fresh again, and changes come.
async fn follows(cluster: &ControlPlane, listening: &mut Listening) -> Result<()> {
    for ceiling in [6, 4] {
        cluster.apply(&TIER.replace("8M", &format!("{ceiling}M")))?;
        let right = |update: &Update| is_fresh(update) && tier_of(update, ceiling * 1_000_000);
        listening.until("a change is known", right).await?;
    }
    let now = listening.now();
    ensure!(now.as_ref().is_some_and(|update| update.rejections.is_empty()), "{now:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forbidden_says_so_until_it_is_allowed_again() -> Result<()> {
    let folder = TempDir::new()?;
    let (cluster, proxy, mut listening) = watched(&folder).await?;
    cluster.kubectl(&["delete", "clusterrolebinding", &format!("test:{USER}")])?;
    proxy.reset();
    listening.until("it is said that it is forbidden", |update| is_kept(update, "forbidden")).await?;
    cluster.allow(USER, None, &WATCHES)?;
    follows(&cluster, &mut listening).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_come_later_comes_later() -> Result<()> {
    let folder = TempDir::new()?;
    let (cluster, proxy, mut listening) = watched(&folder).await?;
    let silent = TcpListener::bind(("127.0.0.1", 0))?;
    cluster.apply(NARROW)?;
    cluster.apply(&SLOW.replace("PORT", &silent.local_addr()?.port().to_string()))?;
    let rule = Rule { api_groups: &[""], resources: &["configmaps"], verbs: &["create"] };
    cluster.allow(USER, Some("default"), &[rule])?;
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| cluster.kubectl(&["create", "configmap", "slow", &format!("--as={USER}")]));
        // It is asked: the one seat is taken.
        let _asked = silent.accept()?;
        proxy.reset();
        let is_told = listening.until("it is told to come later", |update| is_kept(update, "too many requests"));
        block_in_place(|| Handle::current().block_on(is_told))?;
        ensure!(slow.join().is_ok_and(|made| made.is_ok()), "the slow request failed");
        Ok(())
    })?;
    follows(&cluster, &mut listening).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_without_its_store_is_waited_for() -> Result<()> {
    let folder = TempDir::new()?;
    let (mut cluster, proxy, mut listening) = watched(&folder).await?;
    cluster.stop_etcd();
    proxy.reset();
    listening.until("it is said that there is an error", |update| is_kept(update, "error")).await?;
    cluster.start_etcd()?;
    follows(&cluster, &mut listening).await
}
