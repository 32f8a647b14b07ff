//! Who may do what.

use anyhow::{Context, Result, ensure};
use weir_api_tests::{ControlPlane, Rule, Setup};

const READ_PODS: Rule<'static> = Rule { api_groups: &[""], resources: &["pods"], verbs: &["get", "list", "watch"] };

#[test]
fn a_token_that_nobody_gave_is_refused() -> Result<()> {
    let cluster = ControlPlane::start()?;
    let stranger = cluster.kubeconfig_with_token("stranger", "0123456789abcdef")?;
    let error = cluster.kubectl_with(&stranger, &["get", "--raw", "/readyz"]).err().context("it was let in")?;
    ensure!(format!("{error:#}").contains("Unauthorized"), "{error:#}");
    let error = cluster.kubeconfig("stranger").err().context("there is a user nobody named")?.to_string();
    ensure!(error.contains("admin"), "{error}");
    Ok(())
}

#[test]
fn a_user_may_do_what_the_rules_say_where_they_say_it() -> Result<()> {
    let cluster = Setup::default().user("agent").user("system:serviceaccount:weir:agent").start()?;
    let agent = cluster.kubeconfig("agent")?;
    let list = |place: &str| cluster.kubectl_with(&agent, &["get", "pods", place, "-o", "name"]);
    let refused = |place: &str| -> Result<()> {
        let error = list(place).err().with_context(|| format!("pods could be listed with {place}"))?;
        ensure!(error.to_string().contains("Forbidden"), "{error}");
        Ok(())
    };
    refused("--namespace=default")?;

    cluster.allow("agent", Some("default"), &[READ_PODS])?;
    ensure!(list("--namespace=default")?.is_empty());
    refused("--all-namespaces")?;

    let rules = [READ_PODS, Rule { api_groups: &[""], resources: &["pods/status"], verbs: &["patch"] }];
    cluster.allow("agent", None, &rules)?;
    ensure!(list("--all-namespaces")?.is_empty());
    let patch = ["auth", "can-i", "patch", "pods", "--subresource=status", "--all-namespaces"];
    ensure!(cluster.kubectl_with(&agent, &patch)?.trim() == "yes");

    let other = cluster.kubeconfig("system:serviceaccount:weir:agent")?;
    let error = cluster.kubectl_with(&other, &["get", "pods"]).err().context("another user has the same rights")?;
    ensure!(error.to_string().contains("system:serviceaccount:weir:agent"), "{error}");
    Ok(())
}

#[test]
fn a_service_account_gets_a_token_that_the_api_server_knows() -> Result<()> {
    let cluster = ControlPlane::start()?;
    cluster.kubectl(&["create", "serviceaccount", "agent", "--namespace=default"])?;
    let token = cluster.kubectl(&["create", "token", "agent", "--namespace=default"])?;
    let agent = cluster.kubeconfig_with_token("agent", token.trim())?;
    let name = cluster.kubectl_with(&agent, &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])?;
    ensure!(name == "system:serviceaccount:default:agent", "{name}");
    Ok(())
}
