//! The disk of a Kubernetes node: Debian's container runtime and network tools, and Kubernetes' programs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Suite;
use super::{kubernetes, store};
use crate::process;

const SUITE: &str = "trixie";
/// Raise this when what is below changes, so that everyone makes the new disk.
const REVISION: u32 = 1;
const PACKAGES: &[&str] = &[
    "bpftool",
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "e2fsprogs",
    "etcd-server",
    "iproute2",
    "iptables",
    "mount",
    "nftables",
    "runc",
];
/// Room for what containers write, in the sparse file.
const SIZE: &str = "6G";

/// Links that Debian's packages expect of the base system or make when they are installed.
const LINKS: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("usr/bin/sh", "busybox"),
    ("usr/sbin/iptables", "iptables-nft"),
    ("usr/sbin/iptables-save", "iptables-nft-save"),
    ("usr/sbin/iptables-restore", "iptables-nft-restore"),
    ("usr/sbin/ip6tables", "ip6tables-nft"),
    ("usr/sbin/ip6tables-save", "ip6tables-nft-save"),
    ("usr/sbin/ip6tables-restore", "ip6tables-nft-restore"),
    ("var/run", "/run"),
    ("etc/mtab", "/proc/self/mounts"),
];
const FOLDERS: &[&str] = &["dev", "proc", "sys", "run", "tmp", "root", "etc", "var/lib", "var/log", "var/tmp", "opt"];
/// Files that programs insist on.
const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ("etc/group", "root:x:0:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/resolv.conf", ""),
    ("etc/machine-id", "77656972000000000000000000000001\n"),
    ("etc/os-release", "NAME=Weir\nPRETTY_NAME=\"Weir's test node (Debian packages)\"\nID=weir\n"),
];

/// Gives the disk's image, an ext4 file system; makes it if it is missing.
pub fn ensure() -> Result<PathBuf> {
    let programs = kubernetes::cluster()?;
    let version = format!("{SUITE}-{REVISION}-kubernetes-{}", kubernetes::version()?);
    let folder = store::ensure("node", &version, "a Kubernetes node's disk (100 MB of packages)", |folder| {
        let root = folder.join("root");
        fs::create_dir(&root)?;
        Suite::open(SUITE)?.unpack_closure(PACKAGES, &root)?;
        furnish(&root, &programs)?;
        make_disk(&root, &disk(folder))?;
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
    })?;
    Ok(disk(&folder))
}

fn disk(folder: &Path) -> PathBuf {
    folder.join("disk.ext4")
}

fn furnish(root: &Path, programs: &[PathBuf]) -> Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, target) in LINKS {
        let link = root.join(path);
        if link.symlink_metadata().is_err() {
            symlink(target, &link).with_context(|| format!("cannot link {} to {target}", link.display()))?;
        }
    }
    for (path, content) in FILES {
        fs::write(root.join(path), content).with_context(|| format!("cannot write the node's /{path}"))?;
    }
    for program in programs {
        let to = root.join("usr/bin").join(program.file_name().unwrap_or_default());
        fs::copy(program, &to).with_context(|| format!("cannot copy {}", program.display()))?;
    }
    Ok(())
}

/// Fills a file system by the `mkfs.ext4` of the node's own packages: no root, no mount.
fn make_disk(root: &Path, disk: &Path) -> Result<()> {
    let mut mkfs = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"));
    mkfs.arg("--library-path").arg(root.join("usr/lib/x86_64-linux-gnu")).arg(root.join("usr/sbin/mke2fs"));
    // Each boot writes into a copy that is thrown away: nothing to journal.
    mkfs.args(["-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-L", "weir-node", "-d"]);
    mkfs.arg(root).arg(disk).arg(SIZE).env("MKE2FS_CONFIG", root.join("etc/mke2fs.conf"));
    process::output(&mut mkfs).context("cannot make the node's file system")?;
    Ok(())
}
