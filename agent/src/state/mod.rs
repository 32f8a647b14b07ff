//! What must outlive the agent, but not a reboot: the lock of the one agent, the qdiscs that were there before, and the
//! objects that were last known.

pub(crate) mod file;
mod lock;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;

pub use lock::Lock;

use crate::net::qdisc::Recorded;

/// Every file that the agent may leave here.
const OWN: [&str; 9] = [
    "agent.lock",
    "hooks.json",
    "hooks.json.damaged",
    "hooks.new",
    "objects.json",
    "objects.new",
    "qdiscs.json",
    "qdiscs.json.damaged",
    "qdiscs.new",
];
/// The admin socket, which stands here by default and has a mode of its own.
const SOCKET: &str = "weir.sock";

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

/// The clsact qdiscs that Weir made, by ifindex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordedHooks(pub BTreeMap<u32, RecordedHook>);

/// A clsact qdisc that Weir made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedHook {
    /// The interface's name then.
    pub name: String,
    /// Whether an `ingress` qdisc stood in its place.
    pub had_ingress: bool,
}

/// The agent's state folder.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// Opens it, and makes it if needed. Whoever made it, only its owner may read what is in it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(file::FOLDER)
            .create(path)
            .with_context(|| format!("cannot make the state folder {} (stateDir)", path.display()))?;
        if let Err(error) = protect(path) {
            warn!(folder = %path.display(), %error, "the state folder (stateDir) stays readable for others");
        }
        Ok(Self(path.to_owned()))
    }

    /// Reads which root qdiscs were recorded; none, if nothing was. A file that cannot be understood is set aside, because
    /// an agent that refused to start would leave the node without one for the sake of a qdisc.
    pub fn qdiscs(&self) -> anyhow::Result<RecordedQdiscs> {
        read_or_set_aside(
            &self.qdiscs_path(),
            "the record of the qdiscs that stood on the uplinks' interfaces before Weir is damaged and was set aside: \
             `weir cleanup` puts the kernel's default there instead",
        )
    }

    /// Writes which root qdiscs were recorded, in one step.
    pub fn save_qdiscs(&self, qdiscs: &RecordedQdiscs) -> anyhow::Result<()> {
        write(&self.qdiscs_path(), qdiscs)
    }

    /// Reads which clsact qdiscs Weir made; none, if nothing was recorded. A file that cannot be understood is set aside.
    pub fn hooks(&self) -> anyhow::Result<RecordedHooks> {
        read_or_set_aside(
            &self.hooks_path(),
            "the record of the clsact qdiscs that Weir made is damaged and was set aside: `weir cleanup` leaves them there",
        )
    }

    /// Writes which clsact qdiscs Weir made, in one step.
    pub fn save_hooks(&self, hooks: &RecordedHooks) -> anyhow::Result<()> {
        write(&self.hooks_path(), hooks)
    }

    /// Removes the record of clsact qdiscs.
    pub fn forget_hooks(&self) -> anyhow::Result<()> {
        let path = self.hooks_path();
        file::remove(&path).with_context(|| format!("cannot remove {}", path.display()))
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

    fn hooks_path(&self) -> PathBuf {
        self.0.join("hooks.json")
    }
}

fn read_or_set_aside<T: Default + DeserializeOwned>(path: &Path, consequence: &str) -> anyhow::Result<T> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    match serde_json::from_slice(&text) {
        Ok(recorded) => Ok(recorded),
        Err(error) => {
            let aside = file::set_aside(path).with_context(|| format!("cannot set {} aside", path.display()))?;
            warn!(file = %path.display(), aside = %aside.display(), %error, "{consequence}");
            Ok(T::default())
        }
    }
}

fn write(path: &Path, recorded: &impl Serialize) -> anyhow::Result<()> {
    file::write(path, &serde_json::to_vec_pretty(recorded)?).with_context(|| format!("cannot write {}", path.display()))
}

/// Takes the state folder and the files in it from others. A folder that holds what is not Weir's, such as `/run`,
/// stays open, because others need it.
fn protect(path: &Path) -> io::Result<()> {
    let mut is_shared = false;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if OWN.iter().any(|own| entry.file_name() == *own) {
            file::protect(&entry.path(), file::FILE)?;
        } else {
            is_shared |= entry.file_name() != SOCKET;
        }
    }
    if is_shared { Ok(()) } else { file::protect(path, file::FOLDER) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    fn open_to_all(path: &Path) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn what_is_kept_is_for_root_alone() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("weir");
        StateFolder::open(&path)?.save_qdiscs(&RecordedQdiscs::default())?;
        assert_eq!((mode(&path), mode(&path.join("qdiscs.json"))), (0o700, 0o600));

        // As an earlier agent, or the kubelet, made them.
        let objects = path.join("objects.json");
        fs::write(&objects, "{}")?;
        fs::write(path.join("weir.sock"), "")?;
        open_to_all(&objects);
        open_to_all(&path);
        let state = StateFolder::open(&path)?;
        let _lock = Lock::take(&state)?;
        assert_eq!((mode(&path), mode(&objects), mode(&path.join("agent.lock"))), (0o700, 0o600, 0o600));
        Ok(())
    }

    #[test]
    fn a_folder_that_others_use_too_stays_open() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        open_to_all(folder.path());
        fs::write(folder.path().join("another.pid"), "1")?;
        let state = StateFolder::open(folder.path())?;
        state.save_qdiscs(&RecordedQdiscs::default())?;
        assert_eq!((mode(folder.path()), mode(&state.qdiscs_path())), (0o755, 0o600));
        Ok(())
    }

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
