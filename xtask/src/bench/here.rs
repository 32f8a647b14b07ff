//! Benchmarks that are programs of their own, and run on this machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{build, process};

/// Builds a benchmark, optimised, and gives its path.
pub(super) fn program(package: &str, name: &str) -> Result<PathBuf> {
    let mut cargo = process::cargo("build");
    cargo.args(["--release", "--package", package, "--bin", name]);
    let built = build::executables(&mut cargo)?;
    let found = built.into_iter().find(|built| built.name == name);
    Ok(found.with_context(|| format!("cargo built no {name}"))?.path)
}

/// Runs a benchmark to its end and gives the JSON object that it prints.
pub(super) fn run(command: &mut Command) -> Result<Value> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start `{}`", process::line(command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", process::line(command), output.status);
    }
    serde_json::from_slice(&output.stdout).context("the benchmark printed no JSON object")
}
