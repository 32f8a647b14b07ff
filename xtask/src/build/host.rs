//! Host binaries and test binaries, found through cargo's own messages, whatever the target folder is.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{paths, process};

/// The integration test program that is built quickest.
const SMALLEST_TEST: &str = "replay";

/// With or without optimisation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build, with checks.
    Debug,
    /// What is shipped and measured.
    Release,
}

/// An executable that cargo built.
pub struct Artifact {
    /// The target's name: a binary's, or an integration test's.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is an integration test program (and not a binary that the tests use).
    pub is_test: bool,
}

/// Builds `weir` and `weir-lab` for this machine. The BPF object must be there already.
pub fn host_binaries(profile: Profile) -> Result<Vec<Artifact>> {
    let mut cargo = process::cargo("build");
    match profile {
        // Cargo chooses the features of dependencies for all packages that it is asked for together, and with a test
        // among them for their tests too: asked for the same ones each time, it builds each dependency once.
        Profile::Debug => cargo.args(["--workspace", "--bin", "weir", "--bin", "weir-lab", "--test", SMALLEST_TEST]),
        // What is shipped has the features that it needs and no test's.
        Profile::Release => cargo.args(["--release", "--package", "weir", "--package", "weir-lab", "--bins"]),
    };
    let mut built = executables(&mut cargo)?;
    built.retain(|artifact| !artifact.is_test);
    Ok(built)
}

/// Builds integration test programs by their names, each in a package of its own, without running them.
pub fn test_programs(names: &[&str]) -> Result<Vec<Artifact>> {
    let mut cargo = process::cargo("test");
    cargo.args(["--no-run", "--workspace"]).args(named(names));
    let mut built = executables(&mut cargo)?;
    built.retain(|artifact| artifact.is_test);
    Ok(built)
}

/// Cargo's options for integration test programs by their names.
pub fn named<'a>(tests: &[&'a str]) -> Vec<&'a str> {
    tests.iter().flat_map(|test| ["--test", test]).collect()
}

/// Runs a cargo build and gives the executables that it names.
pub fn executables(cargo: &mut Command) -> Result<Vec<Artifact>> {
    cargo
        .current_dir(paths::workspace())
        .args(["--quiet", "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = cargo.output().with_context(|| format!("cannot start `{}`", process::line(cargo)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", process::line(cargo), output.status);
    }
    let text = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    text.lines().filter_map(|line| executable(line).transpose()).collect()
}

/// Cargo's message about one built target; the fields that matter here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

fn executable(line: &str) -> Result<Option<Artifact>> {
    let message: Message =
        serde_json::from_str(line).with_context(|| format!("cargo said what is no message: {line}"))?;
    Ok(match message {
        Message { reason, target: Some(target), executable: Some(path) } if reason == "compiler-artifact" => {
            Some(Artifact { is_test: target.kind.iter().any(|kind| kind == "test"), name: target.name, path })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn programs_are_told_from_what_has_none() {
        let artifact = |kind: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"x","kind":["{kind}"]}},"executable":{file},"fresh":true}}"#
            )
        };
        let test = executable(&artifact("test", r#""/t/x""#)).unwrap().unwrap();
        assert!(test.is_test && test.path.ends_with("t/x"));
        assert!(!executable(&artifact("bin", r#""/t/x""#)).unwrap().unwrap().is_test);
        assert!(executable(&artifact("lib", "null")).unwrap().is_none());
        assert!(executable(r#"{"reason":"build-finished","success":true}"#).unwrap().is_none());
        assert!(executable("no message").is_err());
    }
}
