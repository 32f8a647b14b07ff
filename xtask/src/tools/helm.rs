//! Helm, which renders the chart, built from its Go module.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{go, store};
use crate::process;

const VERSION: &str = "3.22.0";

/// Gives the path of the `helm` program; builds it if it is missing.
pub fn ensure() -> Result<PathBuf> {
    let go = go::version("helm is built from its", "")?;
    let folder = store::ensure(
        "helm",
        &format!("{VERSION}-{go}"),
        "helm (Go modules of some 40 MB, built in about two minutes)",
        |folder| {
            process::output(
                Command::new("go")
                    .current_dir(folder)
                    .args(["install", "-trimpath", "-ldflags", "-s -w"])
                    .arg(format!("helm.sh/helm/v3/cmd/helm@v{VERSION}"))
                    .env("GOBIN", folder)
                    .env("CGO_ENABLED", "0"),
            )
            .map(drop)
            .context("cannot build helm from its sources")
        },
    )?;
    Ok(folder.join("helm"))
}
