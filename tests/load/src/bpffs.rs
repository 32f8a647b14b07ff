//! A BPF file system that goes away with its owner.

use std::path::Path;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A BPF file system, mounted on a temporary folder.
pub struct BpfFs {
    folder: TempDir,
}

impl BpfFs {
    /// Mounts one. Needs root.
    pub fn mount() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        mount(Some("bpf"), folder.path(), Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("cannot mount a BPF file system: run this rung as root (`cargo xtask test --rung load`)")?;
        Ok(Self { folder })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        // Lazily: a test that panicked may still hold a map.
        let _ = umount2(self.folder.path(), MntFlags::MNT_DETACH);
    }
}
