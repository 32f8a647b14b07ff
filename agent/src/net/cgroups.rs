//! Finds the cgroups of pods, by which their sockets are known.
//!
//! The kubelet names a pod's folder after its UID: `kubepods-burstable-pod<uid>.slice` with `_` for `-` (systemd
//! driver) or `kubepods/burstable/pod<uid>` (cgroupfs driver). Other parents are found too: any folder whose name has
//! `pod<uid>` as its last word.
//!
//! The kernel knows a socket by its cgroup of version 2. On a node that boots with both versions the kubelet makes the
//! folders of pods in those of version 1 alone.

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

/// What was found of the pods that were looked for. A pod that is in neither has no cgroup (yet).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Cgroups of version 2.
    pub cgroups: BTreeMap<String, Cgroup>,
    /// Pods that have cgroups of version 1 alone.
    pub legacy: BTreeSet<String>,
}

/// Looks for the cgroups of the pods with these UIDs.
///
/// Walks the hierarchy level by level and stops when all are found; without wanted UIDs it does nothing. It reads
/// folders, so call it from a thread that may block.
///
/// # Errors
/// [`Error::NoCgroups`] if the hierarchy is not to be seen, [`Error::Unreadable`] if its mount cannot be found out.
pub fn find(wanted: &BTreeSet<String>) -> Result<Found> {
    if wanted.is_empty() {
        return Ok(Found::default());
    }
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| Error::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mounts = Process::myself()
        .and_then(|process| process.mountinfo())
        .map_err(|error| unreadable(Path::new("/proc/self/mountinfo"), &error))?;
    let of_type = |kind: &'static str| {
        mounts.0.iter().filter(move |mount| mount.fs_type == kind).map(|mount| mount.mount_point.clone())
    };
    let root = of_type("cgroup2").find(|mount| is_root(mount)).ok_or(Error::NoCgroups)?;
    let cgroups = walk(&root, wanted).map_err(|error| unreadable(&root, &error))?;
    let missing: BTreeSet<String> = wanted.iter().filter(|uid| !cgroups.contains_key(*uid)).cloned().collect();
    Ok(Found { legacy: legacy(of_type("cgroup"), &missing), cgroups })
}

/// Returns whether this is the hierarchy's own root.
///
/// A container with its own cgroup namespace sees a part of the tree under the same name; levels would be counted
/// wrongly there. Only the root has no `cgroup.type` (Documentation/admin-guide/cgroup-v2.rst).
fn is_root(mount: &Path) -> bool {
    mount.join("cgroup.procs").exists() && !mount.join("cgroup.type").exists()
}

/// Those of the pods that have a folder in a hierarchy of version 1. Every pod is in all of them, so that one that has
/// any answers for all.
fn legacy(mounts: impl Iterator<Item = PathBuf>, missing: &BTreeSet<String>) -> BTreeSet<String> {
    if missing.is_empty() {
        return BTreeSet::new();
    }
    let found = mounts.filter_map(|mount| walk(&mount, missing).ok()).find(|found| !found.is_empty());
    found.unwrap_or_default().into_keys().collect()
}

/// Returns the hierarchy of version 1 that pods are in, where those of version 2 have none of them.
///
/// # Errors
/// As [`find`].
pub fn legacy_pods() -> Result<Option<PathBuf>> {
    let mounts = Process::myself()
        .and_then(|process| process.mountinfo())
        .map_err(|error| Error::Unreadable { path: "/proc/self/mountinfo".into(), reason: error.to_string() })?;
    let with_pods = |kind: &str| {
        let mut of_kind = mounts.0.iter().filter(|mount| mount.fs_type == kind).map(|mount| &mount.mount_point);
        of_kind.find(|mount| has_pods(mount)).cloned()
    };
    if !mounts.0.iter().any(|mount| mount.fs_type == "cgroup2" && is_root(&mount.mount_point)) {
        return Err(Error::NoCgroups);
    }
    Ok(if with_pods("cgroup2").is_some() { None } else { with_pods("cgroup") })
}

/// Returns whether the kubelet has made its folder in a hierarchy, at the top or below one other (`kubelet.slice`).
fn has_pods(root: &Path) -> bool {
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let is_kubelets = |entry: &DirEntry| entry.file_name().to_string_lossy().contains("kubepods");
    folders(root).any(|entry| is_kubelets(&entry) || folders(&entry.path()).any(|below| is_kubelets(&below)))
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
        assert_eq!(find(&BTreeSet::new()).expect("nothing is read"), Found::default());
    }

    #[test]
    fn a_pod_of_version_1_alone_is_told_from_one_that_has_no_cgroup_yet() {
        let hierarchies = [tree(&["system.slice"]), tree(&["kubepods/burstable/podu1"])];
        let mounts = || hierarchies.iter().map(|root| root.path().to_owned());
        let missing = ["u1", "u2"].map(str::to_owned).into();
        assert_eq!(legacy(mounts(), &missing), ["u1".to_owned()].into());
        assert_eq!(legacy(mounts(), &BTreeSet::new()), BTreeSet::new());
        assert_eq!(hierarchies.each_ref().map(|root| has_pods(root.path())), [false, true]);
    }
}
