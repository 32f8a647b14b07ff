//! bpf-linker, built against the LLVM that comes with rustc, so that both read the same bitcode.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::store;
use crate::process;

const VERSION: &str = "0.13";

/// Gives the path of the `bpf-linker` program; builds it if it is missing.
pub fn ensure() -> Result<PathBuf> {
    let rustc = Rustc::installed()?;
    let folder = store::ensure(
        "bpf-linker",
        &format!("{VERSION}-rustc-{}", rustc.release),
        "bpf-linker (sources of 10 MB, built in about a minute)",
        |folder| install(&rustc, folder),
    )?;
    Ok(folder.join("bin/bpf-linker"))
}

fn install(rustc: &Rustc, folder: &Path) -> Result<()> {
    let llvm = folder.join("llvm");
    fs::create_dir_all(llvm.join("lib"))?;
    symlink(rustc.llvm_library()?, llvm.join("lib/libLLVM.so"))?;
    let build = folder.join("build");
    let mut cargo = process::cargo("install");
    cargo
        .args(["--quiet", "--locked", "--no-track", "--no-default-features"])
        .args(["--version", &format!("^{VERSION}")])
        .args(["--features", &format!("llvm-{}", rustc.llvm_major)])
        .arg("--root")
        .arg(folder)
        .arg("bpf-linker")
        .env("CARGO_TARGET_DIR", &build)
        .env_remove("RUSTFLAGS")
        .env("LLVM_PREFIX", &llvm)
        .env(format!("LLVM_SYS_{}1_PREFIX", rustc.llvm_major), &llvm);
    process::run(&mut cargo).context("cannot build bpf-linker from its sources")?;
    fs::remove_dir_all(&build)?;
    Ok(())
}

/// What the installed compiler says about itself.
pub struct Rustc {
    /// Its version, as in "1.95.0".
    pub release: String,
    llvm_major: String,
    sysroot: PathBuf,
}

impl Rustc {
    /// Asks the `rustc` that cargo would use.
    pub fn installed() -> Result<Self> {
        let version = process::output(Command::new("rustc").arg("-vV"))?;
        let field = |name: &str| {
            version
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .with_context(|| format!("`rustc -vV` has no line \"{name}\""))
        };
        let llvm = field("LLVM version:")?;
        let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        Ok(Self {
            release: field("release:")?,
            llvm_major: llvm.split('.').next().unwrap_or(&llvm).to_owned(),
            sysroot: PathBuf::from(sysroot.trim()),
        })
    }

    /// The folder with rustc's shared libraries, among them the LLVM that bpf-linker loads.
    pub fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib")
    }

    /// rustc's own shared LLVM: the real file, not the small linker script beside it.
    fn llvm_library(&self) -> Result<PathBuf> {
        let lib = self.libraries();
        let prefix = format!("libLLVM.so.{}.", self.llvm_major);
        for entry in fs::read_dir(&lib).with_context(|| format!("cannot list {}", lib.display()))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                return Ok(entry.path());
            }
        }
        bail!(
            "{} has no {prefix}*: this Rust is built without a shared LLVM; use the one that rustup installs",
            lib.display()
        )
    }
}
