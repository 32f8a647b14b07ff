//! The Helm chart on a real API server: whole, the same as the manifests, and with values that are checked.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use weir_api_tests::{ControlPlane, helm};

use crate::deploy::{define_pod_monitors, deploy_folder};
use crate::world::{TIER, UPLINK, established};

/// `helm template` of the chart.
fn render(folder: &TempDir, options: &[&str]) -> Result<String> {
    let template = ["template", "weir", "chart", "--namespace", "weir-chart", "--kube-version", "1.36"];
    helm(folder.path(), &[&template, options].concat())
}

fn get(cluster: &ControlPlane, arguments: &[&str]) -> Result<Value> {
    let text = cluster.kubectl(&[&["get", "-o", "json"], arguments].concat())?;
    serde_json::from_str(&text).context("kubectl's JSON")
}

#[test]
fn the_chart_installs_what_the_manifests_install() -> Result<()> {
    let (cluster, folder) = (ControlPlane::start()?, deploy_folder(&[])?);
    cluster.kubectl(&["apply", "-k", &folder.path().to_string_lossy()])?;
    let of_the_manifests = |kind: &str, name: &str| get(&cluster, &[kind, name, "-n", "weir-system"]);
    let daemonset = of_the_manifests("daemonset", "weir")?;
    let rules = [of_the_manifests("clusterrole", "weir-agent")?, of_the_manifests("role", "weir-agent")?];
    let definition = of_the_manifests("crd", "traffictiers.weir.dev")?;

    cluster.kubectl(&["create", "namespace", "weir-chart"])?;
    cluster.apply(&render(&folder, &[])?)?;
    let of_the_chart = |kind: &str, name: &str| get(&cluster, &[kind, name, "-n", "weir-chart"]);
    let same = of_the_chart("daemonset", "weir")?;
    for path in ["/spec/template/spec", "/spec/updateStrategy"] {
        ensure!(same.pointer(path) == daemonset.pointer(path), "{path}:\n{same:#}\n{daemonset:#}");
    }
    let same = [of_the_chart("clusterrole", "weir-agent")?, of_the_chart("role", "weir-agent")?];
    for (same, role) in same.iter().zip(&rules) {
        ensure!(same["rules"].is_array() && same["rules"] == role["rules"], "{same:#}\n{role:#}");
    }
    ensure!(of_the_chart("crd", "traffictiers.weir.dev")?["spec"] == definition["spec"], "another definition");
    Ok(())
}

#[test]
fn a_release_is_installed_upgraded_and_uninstalled_without_a_tier_lost() -> Result<()> {
    let (cluster, folder) = (ControlPlane::start()?, deploy_folder(&[])?);
    let kubeconfig = cluster.kubeconfig("admin")?;
    let release = |arguments: &[&str]| {
        let whose = ["--namespace", "weir-system", "--kubeconfig", &kubeconfig.to_string_lossy()].map(str::to_owned);
        let arguments: Vec<&str> = arguments.iter().copied().chain(whose.iter().map(String::as_str)).collect();
        helm(folder.path(), &arguments)
    };
    let image = || -> Result<Value> {
        let daemonset = get(&cluster, &["daemonset", "weir", "-n", "weir-system"])?;
        Ok(daemonset["spec"]["template"]["spec"]["containers"][0]["image"].clone())
    };
    let said = release(&["install", "weir", "chart", "--create-namespace"])?;
    ensure!(said.contains("kubectl"), "it says nothing of what to do next: {said}");
    ensure!(image()? == concat!("weir:", env!("CARGO_PKG_VERSION")), "{}", image()?);
    established(&cluster)?;
    cluster.apply(UPLINK)?;
    cluster.apply(TIER)?;

    release(&["upgrade", "weir", "chart", "--set-string", "image.tag=7"])?;
    ensure!(image()? == "weir:7", "{}", image()?);
    release(&["rollback", "weir", "1"])?;
    ensure!(image()? != "weir:7", "{}", image()?);
    release(&["uninstall", "weir"])?;
    ensure!(image().is_err(), "the DaemonSet is left");
    cluster.kubectl(&["get", "traffictier", "bulk"])?;

    release(&["install", "weir", "chart", "--set", "crds.keep=false"])?;
    cluster.kubectl(&["get", "traffictier", "bulk"])?;
    release(&["uninstall", "weir"])?;
    cluster.kubectl(&["wait", "--for=delete", "--timeout=30s", "crd/traffictiers.weir.dev"])?;
    Ok(())
}

#[test]
fn values_change_what_they_say() -> Result<()> {
    let (cluster, folder) = (ControlPlane::start()?, deploy_folder(&[])?);
    define_pod_monitors(&cluster)?;
    cluster.kubectl(&["create", "namespace", "weir-chart"])?;
    let values = "metrics.podMonitor.enabled=true,nodeSelector.site=home,port=9999,fullnameOverride=other";
    cluster.apply(&render(&folder, &["--set", values, "--set-string", "image.tag=7"])?)?;
    let daemonset = get(&cluster, &["daemonset", "other", "-n", "weir-chart"])?;
    let pod = &daemonset["spec"]["template"]["spec"];
    let image = &pod["containers"][0]["image"];
    ensure!(*image == "weir:7" && pod["nodeSelector"]["site"] == "home", "{pod:#}");
    ensure!(pod["containers"][0]["ports"][0]["hostPort"] == 9999, "{pod:#}");
    let config = get(&cluster, &["configmap", "other", "-n", "weir-chart"])?;
    let text = config["data"]["weir.yaml"].as_str().context("the configuration")?;
    ensure!(text.contains("http: 0.0.0.0:9999") && text.contains("kubernetes: in-cluster"), "{text}");
    get(&cluster, &["podmonitor", "other", "-n", "weir-chart"])?;
    let none = render(&folder, &["--set", "crds.install=false,rbac.create=false"])?;
    ensure!(!none.contains("CustomResourceDefinition") && !none.contains("ClusterRole"), "{none}");
    Ok(())
}

#[test]
fn values_that_nobody_reads_are_refused() -> Result<()> {
    let folder = deploy_folder(&[])?;
    helm(folder.path(), &["lint", "--strict", "chart"])?;
    for (values, named) in [
        ("imagee.tag=1", "imagee"),
        ("port=0", "port"),
        ("config.lisen.http=x", "lisen"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
    ] {
        let Err(error) = render(&folder, &["--set", values]) else { anyhow::bail!("{values} is taken") };
        ensure!(error.to_string().contains(named), "{values}: {error}");
    }
    Ok(())
}
