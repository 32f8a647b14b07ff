//! Where things are: the workspace, its build output, the user's cache folder.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace's root folder (the one with `Cargo.lock`).
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The BPF object that `agent/build.rs` embeds. It stays in the workspace's own `target` folder,
/// wherever `CARGO_TARGET_DIR` points, so that everyone finds it.
pub fn bpf_object() -> PathBuf {
    workspace().join("target/bpf/weir-ebpf.o")
}

/// Cargo's target folder for the BPF build, apart from the host's.
pub fn bpf_target_dir() -> PathBuf {
    workspace().join("target/bpf-build")
}

/// `$XDG_CACHE_HOME/weir`, or `~/.cache/weir`: everything that was fetched, for every checkout of this user.
pub fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match base {
        Some(path) => path,
        None => env::home_dir().context("no cache folder: neither XDG_CACHE_HOME nor HOME is set")?.join(".cache"),
    };
    Ok(base.join("weir"))
}
