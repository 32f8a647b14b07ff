//! The manifests in `deploy/` on a real API server, and the rights that they give.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_api_tests::ControlPlane;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../deploy/", $name)))),*]
    };
}

/// The files of `deploy/`, which are not beside the test where it runs in the VM.
pub(crate) const FILES: &[(&str, &str)] = files![
    "kustomization.yaml",
    "base/kustomization.yaml",
    "base/namespace.yaml",
    "base/crds.yaml",
    "base/rbac.yaml",
    "base/config.yaml",
    "base/daemonset.yaml",
    "cleanup/kustomization.yaml",
    "cleanup/namespace.yaml",
    "cleanup/daemonset.yaml",
    "components/pod-monitor/kustomization.yaml",
    "components/pod-monitor/pod-monitor.yaml",
    "overlays/k3s/kustomization.yaml",
    "overlays/plain/kustomization.yaml",
    "chart/Chart.yaml",
    "chart/values.yaml",
    "chart/values.schema.json",
    "chart/files/crds.yaml",
    "chart/templates/NOTES.txt",
    "chart/templates/_helpers.tpl",
    "chart/templates/config.yaml",
    "chart/templates/crds.yaml",
    "chart/templates/daemonset.yaml",
    "chart/templates/pod-monitor.yaml",
    "chart/templates/rbac.yaml",
];

/// The namespace that everything is in.
pub(crate) const NAMESPACE: &str = "weir-system";
/// The agent's service account.
pub(crate) const ACCOUNT: &str = "weir";

/// What the Prometheus operator makes known, as far as it is used here.
pub(crate) const POD_MONITORS: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PodMonitor, listKind: PodMonitorList, plural: podmonitors, singular: podmonitor}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            spec:
              type: object
              required: [selector]
              properties:
                selector: {type: object, properties: {matchLabels: {type: object, additionalProperties: {type: string}}}}
                podMetricsEndpoints:
                  type: array
                  items:
                    type: object
                    properties:
                      port: {type: string}
                      interval: {type: string, pattern: '^[0-9]+(ms|s|m|h)$'}
                      relabelings:
                        type: array
                        items:
                          type: object
                          properties:
                            sourceLabels: {type: array, items: {type: string}}
                            targetLabel: {type: string}
";

/// Makes the operator's kind known, and waits until it is.
pub(crate) fn define_pod_monitors(cluster: &ControlPlane) -> Result<()> {
    cluster.apply(POD_MONITORS)?;
    let name = "crd/podmonitors.monitoring.coreos.com";
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", name]).map(drop)
}

/// A folder with all of [`FILES`], and with others.
pub(crate) fn deploy_folder(others: &[(&str, &str)]) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, text) in FILES.iter().chain(others) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().context("every file is in a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

/// `kubectl apply -k deploy/`.
pub(crate) fn install(cluster: &ControlPlane, options: &[&str]) -> Result<String> {
    install_part(cluster, "", options)
}

/// `kubectl apply -k deploy/KUSTOMIZATION`.
fn install_part(cluster: &ControlPlane, kustomization: &str, options: &[&str]) -> Result<String> {
    let with_monitor = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\n\
                        components: [../components/pod-monitor]\n";
    let folder = deploy_folder(&[("monitored/kustomization.yaml", with_monitor)])?;
    let path = folder.path().join(kustomization);
    cluster.kubectl(&[&["apply", "-k", &path.to_string_lossy()], options].concat())
}

#[test]
fn the_manifests_are_applied_whole_and_without_a_warning() -> Result<()> {
    let cluster = ControlPlane::start()?;
    install(&cluster, &["--validate=strict", "--warnings-as-errors"])?;
    let daemonset = cluster.kubectl(&[
        "get",
        "daemonset",
        "-n",
        "weir-system",
        "weir",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].securityContext}",
    ])?;
    ensure!(daemonset.contains("\"readOnlyRootFilesystem\":true") && !daemonset.contains("privileged"), "{daemonset}");
    let again = install(&cluster, &[])?;
    ensure!(again.lines().all(|line| line.ends_with(" unchanged")), "applied twice: {again}");
    Ok(())
}

/// Creates a pod as the controller of a `DaemonSet` would, in a namespace, without keeping it.
fn create_pod_of(cluster: &ControlPlane, (home, daemonset): (&str, &str), namespace: &str) -> Result<()> {
    let template = cluster.kubectl(&["get", "daemonset", "-n", home, daemonset, "-o", "jsonpath={.spec.template}"])?;
    let mut pod: Value = serde_json::from_str(&template)?;
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("of-the-daemonset");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), pod.to_string())?;
    let path = file.path().to_string_lossy();
    cluster.kubectl(&["create", "--dry-run=server", "-n", namespace, "-f", &path]).map(drop)
}

#[test]
fn where_pod_security_is_enforced_the_pods_are_let_in() -> Result<()> {
    let cluster = ControlPlane::start()?;
    install(&cluster, &[])?;
    install_part(&cluster, "cleanup", &[])?;
    cluster.kubectl(&["create", "namespace", "strict"])?;
    cluster.kubectl(&["label", "namespace", "strict", "pod-security.kubernetes.io/enforce=baseline"])?;
    for of @ (home, _) in [("weir-system", "weir"), ("weir-cleanup", "weir-cleanup")] {
        create_pod_of(&cluster, of, home).with_context(|| format!("a pod of {of:?}"))?;
        let refused = create_pod_of(&cluster, of, "strict").err().with_context(|| format!("{of:?} needs no label"))?;
        ensure!(refused.to_string().contains("violates PodSecurity"), "{refused:#}");
    }
    Ok(())
}

/// Asks whether the agent's service account may do something.
fn may(cluster: &ControlPlane, verb: &str, resource: &str) -> bool {
    let account = "--as=system:serviceaccount:weir-system:weir";
    let groups = "--as-group=system:serviceaccounts";
    // `can-i` ends with 1 for no.
    cluster.kubectl(&["auth", "can-i", verb, resource, account, groups, "-A"]).is_ok_and(|says| says.trim() == "yes")
}

#[test]
fn the_service_account_may_read_what_it_watches_and_nothing_else() -> Result<()> {
    let cluster = ControlPlane::start()?;
    install(&cluster, &[])?;
    for resource in ["pods", "namespaces", "nodes", "uplinks.weir.dev", "traffictiers.weir.dev"] {
        for verb in ["list", "watch"] {
            ensure!(may(&cluster, verb, resource), "it may not {verb} {resource}");
        }
        for verb in ["get", "create", "update", "patch", "delete"] {
            ensure!(!may(&cluster, verb, resource), "it may {verb} {resource}");
        }
    }
    for resource in ["secrets", "configmaps", "services"] {
        ensure!(!may(&cluster, "list", resource), "it may list {resource}");
    }
    Ok(())
}

#[test]
fn overlays_and_components_are_applied_too() -> Result<()> {
    let cluster = ControlPlane::start()?;
    define_pod_monitors(&cluster)?;
    let read = |kind: &str, path: &str| {
        cluster.kubectl(&["get", kind, "-n", "weir-system", "weir", "-o", &format!("jsonpath={path}")])
    };
    let pulls = "{.spec.template.spec.containers[0].imagePullPolicy}";
    for (overlay, policy) in [("overlays/plain", "IfNotPresent"), ("overlays/k3s", "Never")] {
        install_part(&cluster, overlay, &["--validate=strict", "--warnings-as-errors"])?;
        ensure!(read("daemonset", pulls)? == policy, "{overlay}: {}", read("daemonset", pulls)?);
    }
    install_part(&cluster, "cleanup", &["--validate=strict", "--warnings-as-errors"])?;
    cluster.kubectl(&["get", "daemonset", "-n", "weir-cleanup", "weir-cleanup"])?;
    install_part(&cluster, "monitored", &["--validate=strict", "--warnings-as-errors"])?;
    let config = read("configmap", "{.data}")?;
    ensure!(config.contains("0.0.0.0:9479") && config.contains("in-cluster"), "{config}");
    ensure!(read("podmonitor", "{.spec.podMetricsEndpoints[0].port}")? == "http");
    Ok(())
}
