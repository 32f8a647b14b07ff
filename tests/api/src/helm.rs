//! Helm as a person would use it.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::programs::{command, named_by};

/// Runs helm and gives what it prints.
///
/// # Errors
/// If it fails; the error carries its standard error.
pub fn helm(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(&named_by("WEIR_HELM")?, folder).args(arguments).output().context("cannot start helm")?;
    if !output.status.success() {
        bail!("`helm {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("helm's output is not UTF-8")
}
