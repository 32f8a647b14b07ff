//! The sources of Rust's core library, which the BPF target is built from (`-Z build-std=core`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::Suite;
use crate::process;

/// Debian's suite that carries current Rust versions.
const DEBIAN_SUITE: &str = "trixie-backports";

/// Gives the folder of the library's sources inside the toolchain; fetches them if they are missing.
///
/// They belong to the toolchain because cargo looks for them nowhere else.
pub fn ensure() -> Result<PathBuf> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if library.join("core/src/lib.rs").exists() {
        return Ok(library);
    }
    eprintln!("fetching rust-src (30 MB unpacked) into {}", library.display());
    let rustup = process::output(Command::new("rustup").args(["component", "add", "rust-src"]));
    if rustup.is_ok() && library.join("core/src/lib.rs").exists() {
        return Ok(library);
    }
    let version = super::bpf_linker::Rustc::installed()?.release;
    if let Err(debian) = from_debian(&version, &library) {
        bail!(
            "rust-src {version} is missing and could not be fetched.\n\
             rustup: {}\nDebian: {debian:#}\n\
             Put the folder `library` of Rust {version}'s sources to {}",
            rustup.map_or_else(|error| format!("{error:#}"), |_| "added nothing".to_owned()),
            library.display()
        );
    }
    Ok(library)
}

/// Takes the library's folder out of Debian's package of the same version.
fn from_debian(version: &str, library: &Path) -> Result<()> {
    let suite = Suite::open(DEBIAN_SUITE)?;
    let offered = suite.versions("rust-src")?;
    let exact = offered
        .iter()
        .find(|offer| offer.starts_with(&format!("{version}+")))
        .with_context(|| format!("{DEBIAN_SUITE} has rust-src {}, not {version}", offered.join(", ")))?;
    let parent = library.parent().context("the toolchain has no folder for sources")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let unpacked = tempfile::tempdir_in(parent)?;
    suite.unpack_one(&format!("rust-src={exact}"), unpacked.path())?;
    let from = unpacked.path().join(format!("usr/src/rustc-{version}/library"));
    fs::rename(&from, library).with_context(|| format!("cannot move {} to {}", from.display(), library.display()))
}
