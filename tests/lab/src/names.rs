//! Names of what a lab leaves in the kernel, and the removal of what dead processes left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "weir-lab-";
const NETNS_DIR: &str = "/run/netns";

static NEXT_LAB: AtomicU32 = AtomicU32::new(0);

/// The prefix of everything that one lab of this process owns: `weir-lab-<pid>-<number>`.
pub(crate) fn lab_prefix() -> String {
    let number = NEXT_LAB.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}", std::process::id())
}

/// Where a lab keeps its files. The folder holds bpffs mounts, so it must not lie below `/sys`.
pub(crate) fn lab_dir(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(prefix)
}

/// The process that owns a namespace or folder of this name; none if no lab made it.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn orphans(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| owner(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()))
        .collect()
}

/// Removes namespaces, processes in them, mounts and folders of labs whose process is gone.
///
/// Best effort: what cannot be removed now is found again by the next sweep.
pub(crate) fn sweep() {
    for name in orphans(Path::new(NETNS_DIR)) {
        kill_inside(&name);
        let _ = Command::new("ip").args(["netns", "del", &name]).output();
    }
    for name in orphans(&std::env::temp_dir()) {
        remove_dir(&lab_dir(&name));
    }
}

fn kill_inside(namespace: &str) {
    let Ok(output) = Command::new("ip").args(["netns", "pids", namespace]).output() else { return };
    for pid in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}

/// Unmounts the bpffs of each node below a lab's folder, then removes the folder.
pub(crate) fn remove_dir(dir: &Path) {
    if let Ok(nodes) = fs::read_dir(dir) {
        for node in nodes.flatten() {
            let _ = nix::mount::umount2(&node.path().join("bpf"), nix::mount::MntFlags::MNT_DETACH);
        }
    }
    let _ = fs::remove_dir_all(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner() {
        assert_eq!(owner("weir-lab-42-0-node1"), Some(42));
        assert_eq!(owner(&lab_prefix()), Some(std::process::id()));
    }

    #[test]
    fn foreign_names_have_no_owner() {
        for name in ["cni-42", "weir-lab-", "weir-lab-x-1", "weir-labs-42-0"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
