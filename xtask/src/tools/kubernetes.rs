//! Kubernetes' programs, built from their Go modules: they are in no package.
//!
//! Kubernetes is not made to be required by another module: its go.mod leaves the version of the modules
//! that come out of the same repository open (`v0.0.0`, taken from `./staging`). They are published under
//! the version `v0.X.Y` that belongs to Kubernetes `v1.X.Y`, so a module of our own says that.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{assets, go, store};
use crate::process;

/// Kubernetes' version without its leading "1.", which its libraries have as "0.".
const MINOR_AND_PATCH: &str = "36.3";
/// Packages with a version of their own to be set, as Kubernetes' own build does.
const VERSION_PACKAGES: [&str; 2] = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

/// Programs that are built together, into one folder of the store.
struct Set {
    name: &'static str,
    what: &'static str,
    programs: &'static [&'static str],
}

/// What tests of the API need.
const CONTROL_PLANE: Set = Set {
    name: "kubernetes",
    what: "Kubernetes' API server and kubectl (Go modules of some 200 MB, built in about five minutes)",
    programs: &["kube-apiserver", "kubectl"],
};

/// What a whole node needs beside them. Go keeps what it compiled for the others.
const NODE: Set = Set {
    name: "kubernetes-node",
    what: "Kubernetes' other programs, from the same modules (built in about two minutes)",
    programs: &["kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"],
};

/// Gives the path of `kube-apiserver`; builds it if it is missing.
pub fn api_server() -> Result<PathBuf> {
    program("kube-apiserver")
}

/// Gives the path of the `kubectl` of the same version; builds it if it is missing.
pub fn kubectl() -> Result<PathBuf> {
    program("kubectl")
}

/// Gives the paths of all programs of a cluster of one node, all of the same version.
pub fn cluster() -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for set in [CONTROL_PLANE, NODE] {
        let folder = ensure(&set)?;
        paths.extend(set.programs.iter().map(|program| folder.join(program)));
    }
    Ok(paths)
}

/// What tells one build of these programs from another.
pub fn version() -> Result<String> {
    let otherwise = format!(
        "; for tests of the API alone a folder that has kube-apiserver, kubectl and etcd may be named in {}",
        assets::VARIABLE
    );
    let go = go::version("Kubernetes' programs are built from their", &otherwise)?;
    Ok(format!("1.{MINOR_AND_PATCH}-{go}"))
}

fn program(name: &str) -> Result<PathBuf> {
    match assets::program(name)? {
        Some(given) => Ok(given),
        None => Ok(ensure(&CONTROL_PLANE)?.join(name)),
    }
}

fn ensure(set: &Set) -> Result<PathBuf> {
    store::ensure(set.name, &version()?, set.what, |folder| build(set, folder))
}

/// Builds the programs into `folder`.
fn build(set: &Set, folder: &Path) -> Result<()> {
    let sources = folder.join("build");
    fs::create_dir(&sources).with_context(|| format!("cannot create {}", sources.display()))?;
    let module_at = format!("k8s.io/kubernetes@v1.{MINOR_AND_PATCH}");
    let go_mod = go::download(&sources, &module_at)?.go_mod;
    let kubernetes = fs::read_to_string(&go_mod).with_context(|| format!("cannot read {}", go_mod.display()))?;
    fs::write(sources.join("go.mod"), module(&kubernetes)?)?;
    fs::write(sources.join("tools.go"), imports(set))?;
    process::output(go::command(&sources).args(["mod", "tidy"]))
        .context("cannot fetch the modules that Kubernetes uses")?;
    let packages = set.programs.iter().copied().map(package);
    process::output(
        go::command(&sources)
            .args(["build", "-trimpath", "-ldflags", &linker_flags(), "-o"])
            .arg(folder)
            .args(packages)
            .env("CGO_ENABLED", "0"),
    )
    .context("cannot build Kubernetes")?;
    fs::remove_dir_all(&sources).with_context(|| format!("cannot remove {}", sources.display()))
}

/// A go.mod that requires Kubernetes and says which versions its sister modules have.
fn module(kubernetes: &str) -> Result<String> {
    let language = go::language(kubernetes).context("Kubernetes' go.mod does not say its version of Go")?;
    let mut lines = vec!["module weir.test/kubernetes".to_owned(), language.to_owned()];
    lines.extend(kubernetes.lines().filter(|line| line.starts_with("godebug ")).map(str::to_owned));
    lines.push(format!("require k8s.io/kubernetes v1.{MINOR_AND_PATCH}"));
    let sisters = sisters(kubernetes);
    if sisters.is_empty() {
        bail!("Kubernetes' go.mod names none of the modules that are published from its repository");
    }
    lines.extend(sisters.iter().map(|sister| format!("replace {sister} => {sister} v0.{MINOR_AND_PATCH}")));
    Ok(lines.join("\n") + "\n")
}

/// The modules whose version Kubernetes' go.mod leaves open, or which it takes from its own repository.
fn sisters(kubernetes: &str) -> BTreeSet<&str> {
    kubernetes
        .lines()
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [name, "v0.0.0", ..] | ["require", name, "v0.0.0", ..] => Some(name),
            [name, "=>", path] | ["replace", name, "=>", path] if path.starts_with("./staging/") => Some(name),
            _ => None,
        })
        .collect()
}

/// A file that is never compiled, but tells `go mod tidy` what the module is for.
fn imports(set: &Set) -> String {
    let lines: Vec<_> = set.programs.iter().map(|program| format!("import _ \"{}\"\n", package(program))).collect();
    let imports = lines.concat();
    format!("//go:build tools\n\npackage tools\n\n{imports}")
}

fn package(program: &str) -> String {
    format!("k8s.io/kubernetes/cmd/{program}")
}

fn linker_flags() -> String {
    let minor = MINOR_AND_PATCH.split('.').next().unwrap_or(MINOR_AND_PATCH);
    let values =
        [("gitVersion", format!("v1.{MINOR_AND_PATCH}")), ("gitMajor", "1".to_owned()), ("gitMinor", minor.to_owned())];
    let mut flags = vec!["-s -w".to_owned()];
    for package in VERSION_PACKAGES {
        flags.extend(values.iter().map(|(name, value)| format!("-X {package}.{name}={value}")));
    }
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{CONTROL_PLANE, imports, linker_flags, module};

    #[test]
    fn sister_modules_get_the_version_that_belongs_to_kubernetes() {
        let theirs = "module k8s.io/kubernetes\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire (\n\
                      \tgithub.com/google/uuid v1.6.0\n\tk8s.io/api v0.0.0\n\tk8s.io/klog/v2 v2.130.1\n\
                      \tk8s.io/kms v0.0.0 // indirect\n\tk8s.io/gengo v0.0.0-20220902162205-c0856e24416d\n)\n\n\
                      replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\
                      \tk8s.io/sample-controller => ./staging/src/k8s.io/sample-controller\n\
                      \tk8s.io/other => k8s.io/other v1.2.3\n)\n";
        let ours = module(theirs).unwrap();
        let lines: Vec<_> = ours.lines().collect();
        assert_eq!(
            lines,
            [
                "module weir.test/kubernetes",
                "go 1.26.0",
                "godebug default=go1.26",
                "require k8s.io/kubernetes v1.36.3",
                "replace k8s.io/api => k8s.io/api v0.36.3",
                "replace k8s.io/kms => k8s.io/kms v0.36.3",
                "replace k8s.io/sample-controller => k8s.io/sample-controller v0.36.3",
            ]
        );
    }

    #[test]
    fn a_go_mod_without_sister_modules_is_an_error() {
        let error = module("module k8s.io/kubernetes\n\ngo 1.26.0\n").unwrap_err().to_string();
        assert!(error.contains("go.mod"), "{error}");
    }

    #[test]
    fn the_programs_know_their_version() {
        assert!(linker_flags().contains("-X k8s.io/component-base/version.gitVersion=v1.36.3 "), "{}", linker_flags());
        assert!(linker_flags().ends_with("-X k8s.io/client-go/pkg/version.gitMinor=36"), "{}", linker_flags());
        let imports = imports(&CONTROL_PLANE);
        assert!(imports.contains("import _ \"k8s.io/kubernetes/cmd/kube-apiserver\"\n"), "{imports}");
    }
}
