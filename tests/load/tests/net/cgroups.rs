//! Pods' cgroups in the machine's own hierarchy.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use anyhow::{Context as _, Result};
use weir::net::cgroups;
use weir_core::host::Cgroup;

/// A cgroup with one below, removed on drop.
struct Cgroups(PathBuf);

impl Cgroups {
    fn new(uid: &str) -> Result<Self> {
        let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .map(PathBuf::from)
            .into_iter()
            .find(|mount| mount.join("cgroup.procs").exists() && mount.join("cgroup.subtree_control").exists())
            .context("no cgroup2 hierarchy is mounted at /sys/fs/cgroup or /sys/fs/cgroup/unified")?;
        let parent = root.join(format!("weir-test-{}", std::process::id()));
        let cgroups = Self(parent.clone());
        fs::create_dir_all(parent.join(format!("pod{uid}")))
            .context("cannot make a cgroup: run this rung as root (`cargo xtask test --rung load`)")?;
        Ok(cgroups)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for folder in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(folder.path());
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_pods_cgroup_is_found_with_id_and_level() -> Result<()> {
    let uid = format!("uid-{}", std::process::id());
    let cgroups = Cgroups::new(&uid)?;
    let id = fs::metadata(cgroups.0.join(format!("pod{uid}")))?.ino();
    let found = cgroups::find(&[uid.clone(), "not-there".to_owned()].into())?;
    assert_eq!(found.cgroups, [(uid, Cgroup { id, level: 2 })].into());
    Ok(())
}
