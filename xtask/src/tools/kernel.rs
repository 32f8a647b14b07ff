//! Debian's kernels for virtual machines, the oldest and the newest that Weir is tested on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::Suite;
use super::{guest, store};
use crate::process;

const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An unpacked kernel with its modules, decompressed and indexed.
pub struct Kernel {
    root: PathBuf,
    release: String,
}

/// Gives the kernel of a series ("6.1", "6.12"); fetches it if it is missing.
pub fn ensure(series: &str) -> Result<Kernel> {
    let suite = match series {
        "6.1" => "bookworm",
        "6.12" => "trixie",
        other => bail!("no kernel {other}: known are {}", Kernel::SERIES.join(" and ")),
    };
    let busybox = guest::ensure()?.busybox();
    let root = store::ensure("linux", series, &format!("Linux {series} (35 MB package)"), |folder| {
        let suite = Suite::open(suite)?;
        let package = suite
            .depends(META_PACKAGE)?
            .into_iter()
            .find(|name| name.starts_with(&format!("linux-image-{series}.")))
            .with_context(|| format!("Debian's {META_PACKAGE} is no Linux {series} any more"))?;
        suite.unpack_one(&package, folder)?;
        prepare_modules(&busybox, folder)
    })?;
    let release = release(&root)?;
    Ok(Kernel { root, release })
}

impl Kernel {
    /// The series that exist, oldest first. The floor that a distribution still ships, and the newest.
    pub const SERIES: [&str; 2] = ["6.1", "6.12"];

    /// What `uname -r` will say.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The kernel image.
    pub fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// The folder with `modules.dep` and the modules.
    pub fn modules(&self) -> PathBuf {
        modules_folder(&self.root).join(&self.release)
    }
}

/// Debian moved `/lib` below `/usr` between the two releases.
fn modules_folder(root: &Path) -> PathBuf {
    ["usr/lib/modules", "lib/modules"]
        .map(|folder| root.join(folder))
        .into_iter()
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| root.join("lib/modules"))
}

fn release(root: &Path) -> Result<String> {
    let folder = modules_folder(root);
    let entry = fs::read_dir(&folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .next()
        .with_context(|| format!("{} is empty", folder.display()))??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

/// Unpacks `.ko.xz` once, instead of in every boot, and writes the index that modprobe reads.
fn prepare_modules(busybox: &Path, root: &Path) -> Result<()> {
    let release = release(root)?;
    let folder = modules_folder(root);
    let compressed = find(&folder, "xz")?;
    if !compressed.is_empty() {
        process::output(Command::new(busybox).arg("unxz").args(&compressed))
            .context("cannot unpack the kernel's modules")?;
    }
    let base = folder.parent().and_then(Path::parent).context("the modules lie in no folder")?;
    process::output(Command::new(busybox).args(["depmod", "-b"]).arg(base).arg(&release))
        .context("cannot index the kernel's modules")?;
    Ok(())
}

fn find(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(find(&path, extension)?);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    Ok(found)
}
