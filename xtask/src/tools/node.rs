//! The disk of a Kubernetes node: Debian's container runtime and network tools, and Kubernetes' programs.
//!
//! A second disk adds Cilium and the compiler that its agent runs, so that the ordinary disk stays small.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Suite;
use super::cilium::{self, Cilium};
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
/// Packages that Cilium's agent needs in addition. `libclang-cpp19` depends on all libraries of clang. The compiler's own
/// package is unpacked without its dependencies, which are 100 MB of headers that Cilium does not include.
const CILIUM_PACKAGES: &[&str] = &["ipset", "libclang-cpp19"];
const COMPILER_PACKAGE: &str = "clang-19";
const COMPILER: &str = "../lib/llvm-19/bin/clang";
/// The folder in which the container runtime looks for CNI plugins.
const PLUGINS: &str = "usr/lib/cni";
/// The folder in which Cilium's agent looks for the sources of its BPF programs.
const CILIUM_SOURCES: &str = "var/lib/cilium/bpf";
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
    make("node", &version()?, "a Kubernetes node's disk (100 MB of packages)", &[], |_, _| Ok(()))
}

/// Returns the image of a disk that has Cilium in addition, and makes it if it is missing.
pub fn with_cilium() -> Result<PathBuf> {
    let cilium = cilium::ensure()?;
    let version = format!("{}-cilium-{}", version()?, cilium::version()?);
    let what = "the disk of a Kubernetes node with Cilium (160 MB of packages)";
    make("cilium-node", &version, what, CILIUM_PACKAGES, |suite, root| {
        suite.unpack_one(COMPILER_PACKAGE, root)?;
        add_cilium(root, &cilium)
    })
}

fn version() -> Result<String> {
    Ok(format!("{SUITE}-{REVISION}-kubernetes-{}", kubernetes::version()?))
}

/// Makes a disk with the node's packages and `packages`; `add` puts further files into its root.
fn make(
    name: &str,
    version: &str,
    what: &str,
    packages: &[&str],
    add: impl FnOnce(&Suite, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let programs = kubernetes::cluster()?;
    let folder = store::ensure(name, version, what, |folder| {
        let root = folder.join("root");
        fs::create_dir(&root)?;
        let suite = Suite::open(SUITE)?;
        suite.unpack_closure(&[PACKAGES, packages].concat(), &root)?;
        furnish(&root, &programs)?;
        add(&suite, &root)?;
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
    copy_into(&root.join("usr/bin"), programs)
}

fn add_cilium(root: &Path, cilium: &Cilium) -> Result<()> {
    copy_into(&root.join("usr/bin"), &cilium.programs())?;
    copy_into(&root.join(PLUGINS), &[cilium.plugin()])?;
    symlink(COMPILER, root.join("usr/bin/clang")).context("cannot link the node's clang")?;
    let sources = root.join(CILIUM_SOURCES);
    fs::create_dir_all(sources.parent().unwrap_or(root))?;
    process::output(Command::new("cp").arg("-r").arg(cilium.bpf()).arg(&sources))
        .context("cannot copy the sources of Cilium's BPF programs")?;
    Ok(())
}

fn copy_into(folder: &Path, programs: &[PathBuf]) -> Result<()> {
    for program in programs {
        let to = folder.join(program.file_name().unwrap_or_default());
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
