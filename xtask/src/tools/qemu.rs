//! QEMU with its firmware and all of its libraries, independent of the host's.
//!
//! Debian 13's QEMU 10 is used because QEMU 7 corrupts its guests under multi-threaded emulation.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Suite;
use super::store;

const SUITE: &str = "trixie";
/// Major version of QEMU in the suite; part of the tool's folder name.
const VERSION: &str = "10";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// An unpacked QEMU.
pub struct Qemu {
    root: PathBuf,
}

/// Gives QEMU; fetches it if it is missing.
pub fn ensure() -> Result<Qemu> {
    let root = store::ensure("qemu", &format!("{VERSION}-{SUITE}"), "QEMU 10 (38 MB of packages)", |folder| {
        Suite::open(SUITE)?.unpack_closure(&["qemu-system-x86"], folder)?;
        let version = super::super::process::output(Qemu { root: folder.to_owned() }.command().arg("--version"))
            .context("the fetched QEMU does not run")?;
        eprintln!("{}", version.lines().next().unwrap_or_default());
        Ok(())
    })?;
    Ok(Qemu { root })
}

impl Qemu {
    /// The folder that it was unpacked to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `qemu-system-x86_64` with its own loader, libraries, modules and firmware.
    pub fn command(&self) -> Command {
        let libraries = self.root.join(LIBRARIES);
        let mut command = Command::new(self.root.join("usr/lib64/ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(&libraries)
            .arg(self.root.join("usr/bin/qemu-system-x86_64"))
            .env("QEMU_MODULE_DIR", libraries.join("qemu"));
        for firmware in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            command.arg("-L").arg(self.root.join(firmware));
        }
        command
    }
}
