//! The lock of the one agent of a node.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};

use super::{StateFolder, file};

/// Held by the one agent of a node; goes with its process.
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(folder: &StateFolder) -> anyhow::Result<Self> {
        let path = folder.0.join("agent.lock");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(file::FILE).open(&path);
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
