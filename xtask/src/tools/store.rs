//! The folder of installed tools: one folder per tool and version, complete or not there at all.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;

/// Gives the folder of `name` at `version`. Where it is missing, `fill` puts the tool into an empty
/// folder, which then gets its final name in one step: a stopped installation leaves no half tool.
///
/// `what` tells the person what is fetched and about how much it is.
pub fn ensure(name: &str, version: &str, what: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let tools = paths::cache()?.join("tools");
    let folder = tools.join(format!("{name}-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&tools).with_context(|| format!("cannot create the tools' folder {}", tools.display()))?;
    let _lock = lock(&tools.join(format!(".{name}.lock")))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    // No tool's name has a `+`, so the leftovers of `node` do not include what is being installed as `node-x`.
    let prefix = format!(".{name}+");
    remove_leftovers(&tools, &prefix)?;
    eprintln!("fetching {what} into {}", folder.display());
    let unfinished = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&tools)
        .with_context(|| format!("cannot create a folder in {}", tools.display()))?;
    fill(unfinished.path()).with_context(|| format!("cannot install {name} {version}"))?;
    let unfinished = unfinished.keep();
    fs::rename(&unfinished, &folder)
        .with_context(|| format!("cannot rename {} to {}", unfinished.display(), folder.display()))?;
    make_traversable(&folder)?;
    Ok(folder)
}

/// Holds a lock file until the result is dropped, so that two xtasks never install the same thing.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create the lock {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another xtask that holds {}", path.display());
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    Ok(file)
}

/// Removes what an installation that was killed left behind. The lock is held, so nobody uses it.
fn remove_leftovers(tools: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(tools).with_context(|| format!("cannot list {}", tools.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let path = entry.path();
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Temporary folders are private (0700); a tool may be used by what runs as another user.
fn make_traversable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot set the mode of {}", folder.display()))
}
