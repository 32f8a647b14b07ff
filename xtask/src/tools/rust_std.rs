//! Rust's standard library for another target than this machine's, as rustup installs it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Adds the target to the toolchain if it is missing. It belongs there because rustc looks nowhere else.
pub fn ensure(target: &str) -> Result<()> {
    if is_installed(target)? {
        return Ok(());
    }
    eprintln!("fetching Rust's standard library for {target} (40 MB) into the toolchain");
    process::output(Command::new("rustup").args(["target", "add", target]))
        .with_context(|| format!("the Rust toolchain lacks the target {target}, and rustup does not add it"))?;
    Ok(())
}

/// Whether the toolchain has the target.
pub fn is_installed(target: &str) -> Result<bool> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir())
}
