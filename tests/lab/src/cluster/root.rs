//! The node's disk as the root of the node's programs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chdir, chroot};

use crate::process::Process;

const MOUNT_POINT: &str = "/node";
/// File systems of the kernel that the node shares with the machine, mounts below them included.
const SHARED: [&str; 3] = ["dev", "proc", "sys"];

/// The mounted disk, and the mount namespace whose root it is.
///
/// A root of the namespace's own, not a `chroot`: whoever enters a container's mount namespace, as `exec` does,
/// comes out at what its root was.
#[derive(Debug)]
pub(super) struct Root {
    outside: PathBuf,
    namespace: File,
}

impl Root {
    /// Mounts the disk and what a running system has on it.
    pub(super) fn mount(disk: &Path) -> Result<Self> {
        let outside = Path::new(MOUNT_POINT);
        std::fs::create_dir_all(outside)?;
        let none = None::<&str>;
        mount(Some(disk), outside, Some("ext4"), MsFlags::empty(), none)
            .with_context(|| format!("cannot mount the node's disk {}", disk.display()))?;
        for name in SHARED {
            let (from, to) = (Path::new("/").join(name), outside.join(name));
            mount(Some(&from), &to, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
                .with_context(|| format!("cannot mount {} at {}", from.display(), to.display()))?;
        }
        for name in ["run", "tmp"] {
            mount(Some("tmpfs"), &outside.join(name), Some("tmpfs"), MsFlags::empty(), none)
                .with_context(|| format!("cannot mount a tmpfs at the node's /{name}"))?;
        }
        let namespace = on_a_thread(|| become_root(outside)).context("cannot make the node's mount namespace")?;
        Ok(Self { outside: outside.to_owned(), namespace })
    }

    /// A path inside, as it is called outside.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.outside.join(inside.trim_start_matches('/'))
    }

    /// Writes a file inside, and the folders above it.
    pub(super) fn write(&self, inside: &str, text: &str) -> Result<()> {
        let path = self.path(inside);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Starts a program of the disk with the variables that the command sets and nothing of this process's environment.
    pub(super) fn spawn(&self, mut command: Command) -> Result<Process> {
        let named: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin").env("HOME", "/root").current_dir("/");
        command.envs(named.into_iter().filter_map(|(name, value)| Some((name, value?))));
        on_a_thread(|| {
            // A thread may enter a mount namespace when it shares its root with no other.
            unshare(CloneFlags::CLONE_FS)?;
            setns(&self.namespace, CloneFlags::CLONE_NEWNS).context("cannot enter the node's mount namespace")?;
            Process::spawn(command)
        })
    }
}

/// Makes a folder the root of a mount namespace of the calling thread's own, and gives the namespace.
///
/// It is moved over the old root, as a boot does it, and its mounts are shared as Kubernetes expects it of a node.
fn become_root(folder: &Path) -> Result<File> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    chdir(folder)?;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none)?;
    chroot(".")?;
    chdir("/")?;
    mount(none, "/", none, MsFlags::MS_SHARED | MsFlags::MS_REC, none)?;
    Ok(File::open("/proc/thread-self/ns/mnt")?)
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
