//! Writes files that must be whole after a crash or a power cut, for root alone.
//!
//! They name every pod of the node and its addresses, so nobody else may read them.
//!
//! A file is written beside its place, synced, and renamed into it. Without the sync a file system may keep the new name
//! and lose the content; without the sync of the folder it may lose the new name.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Mode of files: only their owner may read and write them.
pub(crate) const FILE: u32 = 0o600;
/// Mode of folders: only their owner may list and enter them.
pub(crate) const FOLDER: u32 = 0o700;

/// Puts `content` in the place of the file, in one step.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(FILE).open(&draft)?;
    // What a crash left may have another mode.
    protect(&draft, FILE)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder_of(path)
}

/// Takes the rights that go beyond `mode` from others. Does nothing where there are none.
pub(crate) fn protect(path: &Path, mode: u32) -> io::Result<()> {
    let standing = fs::metadata(path)?.permissions().mode() & 0o777;
    if standing & !mode == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(standing & mode))
}

/// Removes the file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder_of(path)),
    }
}

/// Renames a file that cannot be used, in the place of one that was set aside before, and returns its new path.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside)?;
    sync_folder_of(path)?;
    Ok(aside)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("objects.json");
        // What a crash in the middle of a write left.
        fs::write(folder.path().join("objects.new"), "a much longer draft").unwrap();
        for content in ["first", "second"] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE);
        }
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}
