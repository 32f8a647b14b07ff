//! The programs that run inside the VM: a static shell, iproute2, iperf3 and friends, with libraries.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::apt::Suite;
use super::store;

const SUITE: &str = "trixie";
/// Raise this when the list below changes, so that everyone fetches the new set.
const REVISION: u32 = 4;
const PACKAGES: &[&str] = &[
    "busybox-static",
    "dash",
    "ethtool",
    "iperf3",
    "iproute2",
    "iputils-ping",
    "nftables",
    "tcpdump",
    "util-linux",
    "wireguard-tools",
];

/// The unpacked programs.
pub struct Guest {
    root: PathBuf,
}

/// Gives the programs; fetches them if they are missing.
pub fn ensure() -> Result<Guest> {
    let root = store::ensure(
        "guest",
        &format!("{SUITE}-{REVISION}"),
        "the programs inside the VM (17 MB of packages)",
        |folder| Suite::open(SUITE)?.unpack_closure(PACKAGES, folder),
    )?;
    Ok(Guest { root })
}

impl Guest {
    /// The folder that they were unpacked to, laid out like a root file system.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Their loader, which is part of their C library.
    pub fn loader(&self) -> PathBuf {
        self.root.join("usr/lib64/ld-linux-x86-64.so.2")
    }

    /// The folder of their libraries.
    pub fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    /// The static busybox, which runs on the host as well.
    pub fn busybox(&self) -> PathBuf {
        self.root.join("usr/bin/busybox")
    }
}
