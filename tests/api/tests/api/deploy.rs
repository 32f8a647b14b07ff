//! The manifests in `deploy/` on a real API server, and the rights that they give.

use anyhow::{Result, ensure};
use weir_api_tests::ControlPlane;

/// The files, which are not beside the test where it runs in the VM.
const FILES: &[(&str, &str)] = &[
    ("kustomization.yaml", include_str!("../../../../deploy/kustomization.yaml")),
    ("base/kustomization.yaml", include_str!("../../../../deploy/base/kustomization.yaml")),
    ("base/namespace.yaml", include_str!("../../../../deploy/base/namespace.yaml")),
    ("base/crds.yaml", include_str!("../../../../deploy/base/crds.yaml")),
    ("base/rbac.yaml", include_str!("../../../../deploy/base/rbac.yaml")),
    ("base/config.yaml", include_str!("../../../../deploy/base/config.yaml")),
    ("base/daemonset.yaml", include_str!("../../../../deploy/base/daemonset.yaml")),
];

/// `kubectl apply -k deploy/`.
fn install(cluster: &ControlPlane, options: &[&str]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("base"))?;
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text)?;
    }
    let path = folder.path().to_string_lossy();
    cluster.kubectl(&[&["apply", "-k", &path], options].concat())
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
