//! Finds the cgroups of pods, by which packets of hostNetwork pods are known.
//!
//! The kubelet names a pod's folder after its UID: `kubepods-burstable-pod<uid>.slice` with `_` for `-` (systemd
//! driver) or `kubepods/burstable/pod<uid>` (cgroupfs driver). Other parents are found too: any folder whose name has
//! `pod<uid>` as its last word.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirEntry},
    os::unix::fs::DirEntryExt,
    path::{Path, PathBuf},
};

use procfs::process::Process;
use weir_common::limits::MAX_CGROUP_LEVEL;
use weir_core::host::Cgroup;

use super::{Error, Result};

/// Looks for the cgroups of the pods with these UIDs. Pods that have none (yet) are missing from the result.
///
/// Walks the hierarchy level by level and stops when all are found; without wanted UIDs it does nothing. It reads
/// folders, so call it from a thread that may block.
///
/// # Errors
/// [`Error::NoCgroups`] if the hierarchy is not to be seen, [`Error::Unreadable`] if its mount cannot be found out.
pub fn find(wanted: &BTreeSet<String>) -> Result<BTreeMap<String, Cgroup>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let root = mounted_root()?;
    walk(&root, wanted).map_err(|error| Error::Unreadable { path: root, reason: error.to_string() })
}

/// The mount point of the version 2 hierarchy's own root.
///
/// A container with its own cgroup namespace sees a part of the tree under the same name; levels would be counted
/// wrongly there. Only the root has no `cgroup.type` (Documentation/admin-guide/cgroup-v2.rst).
fn mounted_root() -> Result<PathBuf> {
    let unreadable =
        |error: procfs::ProcError| Error::Unreadable { path: "/proc/self/mountinfo".into(), reason: error.to_string() };
    let mounts = Process::myself().and_then(|process| process.mountinfo()).map_err(unreadable)?;
    mounts
        .into_iter()
        .filter(|mount| mount.fs_type == "cgroup2")
        .map(|mount| mount.mount_point)
        .find(|mount| mount.join("cgroup.procs").exists() && !mount.join("cgroup.type").exists())
        .ok_or(Error::NoCgroups)
}

/// Breadth first, so that a pod's own folder is found before one of the same name inside a container.
fn walk(root: &Path, wanted: &BTreeSet<String>) -> std::io::Result<BTreeMap<String, Cgroup>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    fs::read_dir(root)?;
    for level in 1..=MAX_CGROUP_LEVEL {
        let mut below = Vec::new();
        // A cgroup that ends meanwhile has nothing to be found in.
        for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            match pod_of(&entry, wanted) {
                Some(uid) => {
                    found.entry(uid).or_insert(Cgroup { id: entry.ino(), level });
                }
                None => below.push(entry.path()),
            }
        }
        folders = below;
        if found.len() == wanted.len() {
            break;
        }
    }
    Ok(found)
}

fn pod_of(entry: &DirEntry, wanted: &BTreeSet<String>) -> Option<String> {
    let name = entry.file_name();
    let name = name.to_str()?.strip_suffix(".slice").unwrap_or(name.to_str()?);
    let mut candidates = name.match_indices("pod").map(|(at, pod)| &name[at + pod.len()..]);
    candidates.find_map(|uid| wanted.get(uid).or_else(|| wanted.get(&uid.replace('_', "-")))).cloned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";

    fn tree(folders: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        root
    }

    fn find_in(root: &Path, uids: &[&str]) -> BTreeMap<String, Cgroup> {
        walk(root, &uids.iter().map(|uid| (*uid).to_owned()).collect()).expect("readable")
    }

    #[test]
    fn both_drivers_and_plain_parents() {
        let systemd =
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice";
        for (folder, level) in [
            (systemd, 3),
            (&*format!("kubepods/besteffort/pod{UID}"), 3),
            (&*format!("kubepods/pod{UID}"), 2),
            (&*format!("weir-test/pod{UID}"), 2),
            (&*format!("system.slice/node.scope/kubelet.slice/kubelet-kubepods.slice/x/pod{UID}"), 6),
        ] {
            let root = tree(&[folder, "system.slice/ssh.service"]);
            let id = fs::metadata(root.path().join(folder)).expect("there").ino();
            assert_eq!(find_in(root.path(), &[UID]), [(UID.to_owned(), Cgroup { id, level })].into(), "{folder}");
        }
    }

    #[test]
    fn a_longer_name_is_another_pod() {
        let root = tree(&["kubepods/podu10", "kubepods/podu1-x", "kubepods/xpodx"]);
        assert!(find_in(root.path(), &["u1"]).is_empty());
        assert_eq!(find_in(root.path(), &["u1", "u10"]).into_keys().collect::<Vec<_>>(), ["u10"]);
    }

    #[test]
    fn the_pods_own_folder_counts_not_one_inside() {
        let root = tree(&["kubepods/podu1/container/podu1"]);
        assert_eq!(find_in(root.path(), &["u1"])["u1"].level, 2);
    }

    #[test]
    fn the_depth_is_bounded() {
        let deep = "a/".repeat(MAX_CGROUP_LEVEL as usize) + "podu1";
        assert!(find_in(tree(&[&deep]).path(), &["u1"]).is_empty());
    }

    #[test]
    fn nobody_wanted_means_no_walk() {
        assert!(find(&BTreeSet::new()).expect("nothing is read").is_empty());
    }
}
