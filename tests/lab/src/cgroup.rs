//! Cgroups of pods, made on this machine as the kubelet makes them.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// A pod's cgroup of version 2. Removed when dropped.
#[derive(Debug)]
pub struct PodCgroup(PathBuf);

impl PodCgroup {
    /// Makes the folder for this UID.
    pub fn create(uid: &str) -> Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let root = mounts
            .lines()
            .find_map(|line| {
                let mut columns = line.split_whitespace().skip(1);
                let place = columns.next()?;
                (columns.next()? == "cgroup2").then_some(place)
            })
            .context("no cgroup2 is mounted")?;
        let folder = PathBuf::from(root).join(format!("weir-lab/pod{uid}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// The line of a shell that puts it into the cgroup.
    #[must_use]
    pub fn join(&self) -> String {
        format!("echo $$ > {}/cgroup.procs;", self.0.display())
    }
}

impl Drop for PodCgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
