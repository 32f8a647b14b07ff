//! Host binaries and test binaries, found through cargo's own messages, whatever the target folder is.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{paths, process};

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
}

/// Builds `weir` and `weir-lab` for this machine. The BPF object must be there already.
pub fn host_binaries(profile: Profile) -> Result<Vec<Artifact>> {
    let mut cargo = process::cargo("build");
    cargo.args(["--package", "weir", "--package", "weir-lab", "--bins"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    executables(&mut cargo)
}

/// Builds the integration test programs of a package without running them.
pub fn test_binaries(package: &str) -> Result<Vec<Artifact>> {
    let mut cargo = process::cargo("test");
    cargo.args(["--no-run", "--package", package, "--test", "*"]);
    executables(&mut cargo)
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
}

fn executable(line: &str) -> Result<Option<Artifact>> {
    let message: Message =
        serde_json::from_str(line).with_context(|| format!("cargo said what is no message: {line}"))?;
    Ok(match message {
        Message { reason, target: Some(target), executable: Some(path) } if reason == "compiler-artifact" => {
            Some(Artifact { name: target.name, path })
        }
        _ => None,
    })
}
