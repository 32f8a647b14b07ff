//! A token that is replaced in its file, as a kubelet does long before it ends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;
use weir::source::Update;
use weir_api_tests::{ControlPlane, Setup};

use crate::agent::within;
use crate::answers::WATCHES;
use crate::listening::{Listening, is_fresh, tier_of};
use crate::world::{TIER, UPLINK, define};

/// Within this a client reads the token again.
const READ_AGAIN: Duration = Duration::from_secs(65);

/// A token of the account `agent` that ends when it is told to.
fn token(cluster: &ControlPlane, name: &str) -> Result<String> {
    cluster.kubectl(&["create", "secret", "generic", name])?;
    let bound = ["--bound-object-kind=Secret", &format!("--bound-object-name={name}")];
    let token = cluster.kubectl(&["create", "token", "agent", bound[0], bound[1]])?;
    Ok(token.trim().to_owned())
}

/// A kubeconfig like another one, of somebody whose token is in a file.
fn with_token_file(like: &Path, token: &Path, to: &Path) -> Result<()> {
    let mut config: Value = serde_json::from_str(&fs::read_to_string(like)?)?;
    config["users"][0]["user"] = json!({"tokenFile": token});
    Ok(fs::write(to, config.to_string())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_in_time_is_followed() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = Setup::default().start()?;
    define(&cluster)?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;
    cluster.kubectl(&["create", "serviceaccount", "agent"])?;
    cluster.allow("system:serviceaccount:default:agent", None, &WATCHES)?;
    let (first, second) = (token(&cluster, "first")?, token(&cluster, "second")?);
    let [file, fresh, own] = ["token", "token.new", "own"].map(|name| folder.path().join(name));
    fs::write(&file, &first)?;
    let proxy = cluster.proxy()?;
    with_token_file(&cluster.kubeconfig_through(&proxy, "admin")?, &file, &own)?;
    let mut listening = Listening::to(&own, &folder).await?;
    listening.until("the tier is known", |update| is_fresh(update) && tier_of(update, 8_000_000)).await?;

    fs::write(&fresh, &second)?;
    fs::rename(&fresh, &file)?;
    tokio::time::sleep(READ_AGAIN).await;
    cluster.kubectl(&["delete", "secret", "first"])?;
    let of_the_first = cluster.kubeconfig_with_token("first", &first)?;
    within("the first token is of no use any more", || {
        let said = cluster.kubectl_with(&of_the_first, &["get", "traffictiers"]);
        Ok(said.is_err_and(|error| error.to_string().contains("Unauthorized")))
    })?;
    proxy.reset();
    cluster.apply(&TIER.replace("8M", "6M"))?;
    let right = |update: &Update| is_fresh(update) && tier_of(update, 6_000_000);
    listening.until("it is fresh again, and the change is known", right).await?;
    Ok(())
}
