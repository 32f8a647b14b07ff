//! What must outlive the agent, but not a reboot: the lock of the one agent, the qdiscs that were there before, and the
//! objects that were last known.

pub(crate) mod file;
mod lock;

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tracing::warn;

pub use lock::Lock;

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

    /// Reads what was recorded; nothing, if nothing was. A file that cannot be understood is set aside, because an
    /// agent that refused to start would leave the node without one for the sake of a qdisc.
    pub fn qdiscs(&self) -> anyhow::Result<RecordedQdiscs> {
        let path = self.qdiscs_path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RecordedQdiscs::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        match serde_json::from_slice(&text) {
            Ok(recorded) => Ok(recorded),
            Err(error) => {
                let aside = file::set_aside(&path).with_context(|| format!("cannot set {} aside", path.display()))?;
                warn!(
                    file = %path.display(), aside = %aside.display(), %error,
                    "the record of the qdiscs that stood on the uplinks' interfaces before Weir is damaged and was set \
                     aside: `weir cleanup` puts the kernel's default there instead"
                );
                Ok(RecordedQdiscs::default())
            }
        }
    }

    /// Writes what was recorded, in one step.
    pub fn save_qdiscs(&self, qdiscs: &RecordedQdiscs) -> anyhow::Result<()> {
        let path = self.qdiscs_path();
        file::write(&path, &serde_json::to_vec_pretty(qdiscs)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where the objects that were last known are kept.
    #[must_use]
    pub fn objects_path(&self) -> PathBuf {
        self.0.join("objects.json")
    }

    /// Removes what was recorded.
    pub fn forget_qdiscs(&self) -> anyhow::Result<()> {
        let path = self.qdiscs_path();
        file::remove(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    fn qdiscs_path(&self) -> PathBuf {
        self.0.join("qdiscs.json")
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
    fn a_damaged_record_is_set_aside() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        for damaged in [&b"{"[..], b"", b"\xff\xfe", b"[]"] {
            fs::write(folder.path().join("qdiscs.json"), damaged)?;
            let state = StateFolder::open(folder.path())?;
            assert_eq!(state.qdiscs()?, RecordedQdiscs::default());
            assert_eq!(fs::read(folder.path().join("qdiscs.json.damaged"))?, damaged, "it is kept for a person");
            assert!(!folder.path().join("qdiscs.json").exists());
        }
        Ok(())
    }
}
