//! The admin API's unix socket: its file, who may open it, and what an agent that was killed left behind.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tokio::net::{UnixListener, UnixStream};

/// Only the agent's own user (root) may ask: the answers name every pod of the node.
const MODE: u32 = 0o600;

/// A bound socket.
#[derive(Debug)]
pub(super) struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The socket's file, taken away on drop if it is still this one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl AdminSocket {
    /// Binds `path`. A file that a killed agent left is replaced; a socket that somebody answers on is an error.
    pub(super) async fn bind(path: &Path) -> anyhow::Result<Self> {
        refuse_if_taken(path).await?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // Bound under another name first: at its final name it is never open to others, and never missing.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let listener = bind_fresh(&fresh).with_context(|| {
            format!(
                "cannot make the admin socket {} (listen.admin): name a folder that the agent may write",
                path.display()
            )
        })?;
        let file = SocketFile { path: path.to_owned(), inode: fs::metadata(&fresh)?.ino() };
        fs::rename(&fresh, path).with_context(|| format!("cannot put the admin socket at {}", path.display()))?;
        Ok(Self { listener, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Returns what connections come from, and the file to keep for as long as they are answered.
    pub(super) fn into_listener(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            // Left behind, it would be replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn refuse_if_taken(path: &Path) -> anyhow::Result<()> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let taken = match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => false,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot tell whether an agent has {}", path.display()));
        }
    };
    if taken {
        bail!(
            "another agent answers on {}: one node has one agent. `weir status --socket {0}` shows it; end it first",
            path.display()
        );
    }
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() || metadata.is_dir()) {
        bail!("{} (listen.admin) is not a socket and is left alone: name another path", path.display());
    }
    Ok(())
}

fn bind_fresh(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_its_owner_may_open_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/weir.sock");
        let socket = AdminSocket::bind(&path).await.expect("binds, and makes its folder");
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists(), "taken away at the end");
        assert_eq!(fs::read_dir(folder.path().join("run")).expect("the folder").count(), 0, "nothing else is left");
    }

    #[tokio::test]
    async fn what_a_killed_agent_left_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weir.sock");
        drop(UnixListener::bind(&path).expect("an agent's"));
        assert!(path.exists(), "dropping a listener leaves its file, as a kill does");
        let socket = AdminSocket::bind(&path).await.expect("binds");
        UnixStream::connect(socket.path()).await.expect("answers");
    }

    #[tokio::test]
    async fn a_second_agent_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weir.sock");
        let _first = AdminSocket::bind(&path).await.expect("binds");
        let error = AdminSocket::bind(&path).await.expect_err("taken");
        assert!(error.to_string().starts_with("another agent answers on"), "{error}");
        UnixStream::connect(&path).await.expect("the first one still answers");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        fs::write(&path, "mine").expect("written");
        AdminSocket::bind(&path).await.expect_err("not a socket");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
    }
}
