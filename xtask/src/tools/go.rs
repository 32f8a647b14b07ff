//! Go, which builds some of the tools, and the modules of their sources. Go itself is not fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The version of Go that is installed. Without one, an error that says what is built with it, and what else would do.
pub(super) fn version(what_is: &str, otherwise: &str) -> Result<String> {
    let said = process::output(Command::new("go").args(["env", "GOVERSION"]))
        .with_context(|| format!("{what_is} sources, which needs Go: install it (https://go.dev/dl){otherwise}"))?;
    Ok(said.trim().to_owned())
}

/// Returns a `go` command that runs in a folder.
pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder);
    command
}

/// A module in Go's read-only module cache.
#[derive(Deserialize)]
pub(super) struct Module {
    /// The path of its go.mod.
    #[serde(rename = "GoMod")]
    pub(super) go_mod: PathBuf,
    /// The folder of its sources.
    #[serde(rename = "Dir")]
    pub(super) folder: PathBuf,
}

/// Downloads a module, named as `path@version`. Go runs in the folder `from`, which must be outside of other modules.
pub(super) fn download(from: &Path, module: &str) -> Result<Module> {
    let answer = process::output(command(from).args(["mod", "download", "-json", module]))
        .with_context(|| format!("cannot download the Go module {module}"))?;
    serde_json::from_str(&answer)
        .with_context(|| format!("`go mod download -json {module}` names no go.mod and folder, but says {answer}"))
}

/// Returns the line of a go.mod that names its language version, such as `go 1.26.0`.
pub(super) fn language(go_mod: &str) -> Option<&str> {
    go_mod.lines().find(|line| line.starts_with("go "))
}
