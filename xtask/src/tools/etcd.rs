//! etcd, the API server's memory, out of Debian's package.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Suite;
use super::{assets, store};
use crate::process;

const SUITE: &str = "trixie";

/// Gives the path of the `etcd` program; fetches it if it is missing.
pub fn ensure() -> Result<PathBuf> {
    if let Some(given) = assets::program("etcd")? {
        return Ok(given);
    }
    let folder = store::ensure("etcd", SUITE, "etcd (8 MB package)", |folder| {
        Suite::open(SUITE)?.unpack_one("etcd-server", folder)?;
        let version =
            process::output(Command::new(program(folder)).arg("--version")).context("the fetched etcd does not run")?;
        eprintln!("{}", version.lines().next().unwrap_or_default());
        Ok(())
    })?;
    Ok(program(&folder))
}

fn program(folder: &Path) -> PathBuf {
    folder.join("usr/bin/etcd")
}
