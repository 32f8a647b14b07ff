//! What must outlive the agent, but not a reboot: the lock of the one agent, and the qdiscs that were there before.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::net::qdisc::Recorded;

/// What stood on each interface before Weir, by ifindex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordedQdiscs(pub BTreeMap<u32, RecordedQdisc>);

/// What stood on an interface before Weir.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedQdisc {
    /// The interface's name then.
    pub name: String,
    /// What stood there.
    pub before: Recorded,
}

/// The agent's state folder.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// Opens it, and makes it if needed.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot make the state folder {} (stateDir)", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// Reads what was recorded; nothing, if nothing was.
    pub fn qdiscs(&self) -> anyhow::Result<RecordedQdiscs> {
        let path = self.qdiscs_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(RecordedQdiscs::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged: remove it; then `weir cleanup` puts the kernel's default qdiscs back",
                path.display()
            )
        })
    }

    /// Writes what was recorded, in one step.
    pub fn save_qdiscs(&self, qdiscs: &RecordedQdiscs) -> anyhow::Result<()> {
        let path = self.qdiscs_path();
        let fresh = path.with_extension("new");
        let write = || -> anyhow::Result<()> {
            fs::write(&fresh, serde_json::to_vec_pretty(qdiscs)?)?;
            Ok(fs::rename(&fresh, &path)?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where the objects that were last known are kept.
    #[must_use]
    pub fn objects_path(&self) -> PathBuf {
        self.0.join("objects.json")
    }

    /// Removes what was recorded.
    pub fn forget_qdiscs(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.qdiscs_path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.qdiscs_path().display()))
            }
            _ => Ok(()),
        }
    }

    fn qdiscs_path(&self) -> PathBuf {
        self.0.join("qdiscs.json")
    }
}

/// Held by the one agent of a node; goes with its process.
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(folder: &StateFolder) -> anyhow::Result<Self> {
        let path = folder.0.join("agent.lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                file.set_len(0)?;
                file.rewind()?;
                write!(file, "{}", std::process::id())?;
                Ok(Self { _file: file })
            }
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                bail!(
                    "another agent (process {}) runs on this node with the state folder {}: end it first, or give this \
                     one another stateDir and bpffs if it has a network namespace of its own",
                    if pid.is_empty() { "unknown" } else { pid.trim() },
                    folder.0.display()
                )
            }
            Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let state = StateFolder::open(&folder.path().join("weir"))?;
        assert_eq!(state.qdiscs()?, RecordedQdiscs::default());
        let entry = RecordedQdisc { name: "eth0".into(), before: Recorded::KernelDefault };
        let recorded = RecordedQdiscs([(3, entry)].into());
        state.save_qdiscs(&recorded)?;
        assert_eq!(state.qdiscs()?, recorded);
        state.forget_qdiscs()?;
        state.forget_qdiscs()?;
        assert_eq!(state.qdiscs()?, RecordedQdiscs::default());
        Ok(())
    }

    #[test]
    fn a_damaged_record_names_itself_and_the_way_out() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("qdiscs.json"), "{")?;
        let error = format!("{:#}", StateFolder::open(folder.path())?.qdiscs().unwrap_err());
        assert!(error.contains("qdiscs.json is damaged"), "{error}");
        Ok(())
    }

    #[test]
    fn the_second_agent_is_told_who_the_first_is() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let state = StateFolder::open(folder.path())?;
        let first = Lock::take(&state)?;
        let error = Lock::take(&state).err().expect("locked").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        Lock::take(&state)?;
        Ok(())
    }
}
