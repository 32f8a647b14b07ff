//! cargo-deny, which checks licences, sources, and who may use which dependency.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::store;
use crate::process;

const VERSION: &str = "0.19";

/// Gives the path of the `cargo-deny` program; builds it if it is missing.
pub fn ensure() -> Result<PathBuf> {
    let folder =
        store::ensure("cargo-deny", VERSION, "cargo-deny (sources of 40 MB, built in a few minutes)", |folder| {
            let build = folder.join("build");
            let mut cargo = process::cargo("install");
            cargo
                .args(["--quiet", "--locked", "--no-track", "--debug", "--version", &format!("^{VERSION}")])
                .arg("--root")
                .arg(folder)
                .arg("cargo-deny")
                .env("CARGO_TARGET_DIR", &build)
                .env("CARGO_PROFILE_DEV_DEBUG", "false")
                .env_remove("RUSTFLAGS");
            process::run(&mut cargo).context("cannot build cargo-deny from its sources")?;
            std::fs::remove_dir_all(&build)?;
            Ok(())
        })?;
    Ok(folder.join("bin/cargo-deny"))
}
