//! A torrent client for `bench torrent`: libtorrent, the engine of qBittorrent, with the Python that drives it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Suite;
use super::{loader, store};
use crate::process;

const SUITE: &str = "trixie";
/// Raise this when what is below changes, so that everyone fetches it anew.
const REVISION: u32 = 2;

/// Python's interpreter and modules, in the packages and (below their last folders) in the tool's own one.
const INTERPRETER: &str = "usr/bin/python3.13";
const MODULES: &str = "usr/lib/python3.13";
const LIBTORRENT: &str = "usr/lib/python3/dist-packages/libtorrent.cpython-313-x86_64-linux-gnu.so";
/// A module of Python that is a library too and needs the same ones.
const HASHES: &str = "usr/lib/python3.13/lib-dynload/_hashlib.cpython-313-x86_64-linux-gnu.so";
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// Starts Python with its own loader, libraries and modules, wherever the folder lies.
const PYTHON: &str = r#"#!/bin/sh
here=${0%/*}
PYTHONHOME=$here exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/bin/python3.13" "$@"
"#;

/// A Python with libtorrent that needs nothing of the machine.
pub struct Libtorrent {
    root: PathBuf,
}

/// Gives it; fetches it if it is missing.
pub fn ensure() -> Result<Libtorrent> {
    let version = format!("{SUITE}-{REVISION}");
    let root = store::ensure("libtorrent", &version, "libtorrent with a Python (16 MB of packages)", |folder| {
        let packages = folder.join("packages");
        fs::create_dir(&packages)?;
        Suite::open(SUITE)?.unpack_closure(&["python3-libtorrent"], &packages)?;
        gather(&packages, folder)?;
        fs::remove_dir_all(&packages).with_context(|| format!("cannot remove {}", packages.display()))?;
        compile(folder)
    })?;
    Ok(Libtorrent { root })
}

/// Takes out of the packages what running a script with libtorrent needs: a fifth of them.
fn gather(packages: &Path, folder: &Path) -> Result<()> {
    let copy = |from: &Path, to: &str| {
        let to = folder.join(to);
        fs::create_dir_all(to.parent().unwrap_or(folder))?;
        fs::copy(from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
    };
    let (loader, libraries) = (packages.join(LOADER), packages.join(LIBRARIES));
    copy(&loader, "lib/ld-linux-x86-64.so.2")?;
    for program in [INTERPRETER, LIBTORRENT, HASHES] {
        for (name, path) in loader::needed(&loader, &libraries, &packages.join(program))? {
            if path.starts_with(&libraries) {
                copy(&path, &format!("lib/{name}"))?;
            }
        }
    }
    copy(&packages.join(INTERPRETER), "bin/python3.13")?;
    fs::rename(packages.join(MODULES), folder.join("lib/python3.13"))
        .with_context(|| format!("the packages have no {MODULES}"))?;
    // A link to a configuration file that only an installed Python has.
    let link = folder.join("lib/python3.13/sitecustomize.py");
    fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
    copy(&packages.join(LIBTORRENT), "lib/python3.13/lib-dynload/libtorrent.so")?;
    let python = python(folder);
    fs::write(&python, PYTHON).with_context(|| format!("cannot write {}", python.display()))?;
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot set the mode of {}", python.display()))
}

/// Compiles Python's modules, which takes emulated processors seconds in every start. Files have other times in a VM, so
/// these do not count.
fn compile(folder: &Path) -> Result<()> {
    let mut compile = Command::new(python(folder));
    compile.args(["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]);
    process::output(compile.arg(folder.join("lib/python3.13"))).context("the fetched Python does not run")?;
    let version =
        process::output(Command::new(python(folder)).args(["-c", "import libtorrent; print(libtorrent.__version__)"]))
            .context("the fetched libtorrent does not load")?;
    eprintln!("libtorrent {}", version.trim());
    Ok(())
}

fn python(root: &Path) -> PathBuf {
    root.join("python")
}

impl Libtorrent {
    /// The folder; it may be copied to any place.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The program that runs a Python script with libtorrent at hand.
    pub fn python(&self) -> PathBuf {
        python(&self.root)
    }
}
