//! The BPF object: the crate `weir-ebpf` for the kernel's machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, iter};

use anyhow::{Context, Result};

use crate::tools::bpf_linker::{self, Rustc};
use crate::tools::rust_src;
use crate::{paths, process};

const TARGET: &str = "bpfel-unknown-none";
/// `v3` has 32-bit jumps and the atomic operations that the maps need (kernel ≥ 5.12).
const RUSTFLAGS: &str = "-C link-arg=--btf -C debuginfo=2 -C target-cpu=v3";

/// Builds the kernel programs and gives the object's path. The file keeps its time stamp while its
/// content is the same, so that cargo does not rebuild what embeds it.
pub fn build_object() -> Result<PathBuf> {
    build("weir-ebpf", &paths::bpf_object())
}

/// Builds the programs that stand for other people's in tests, and gives their object's path.
pub fn build_interference() -> Result<PathBuf> {
    let object = paths::bpf_object().with_file_name("weir-interference.o");
    build("weir-interference", &object)
}

fn build(program: &str, object: &Path) -> Result<PathBuf> {
    rust_src::ensure()?;
    let linker = bpf_linker::ensure()?;
    let mut cargo = process::cargo("build");
    cargo
        .current_dir(paths::workspace())
        .args(["--quiet", "--release", "--package", "weir-ebpf", "--bin", program])
        .args(["--target", TARGET, "-Z", "build-std=core"])
        .arg("--target-dir")
        .arg(paths::bpf_target_dir())
        // -Z build-std on the stable compiler: what is installed is used.
        .env("RUSTC_BOOTSTRAP", "1")
        // The profile makes small programs of everything else.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        // rustup sets this for what cargo starts; a toolchain without rustup does not.
        .env("LD_LIBRARY_PATH", library_path()?)
        .env("RUSTFLAGS", format!("-C linker={} {RUSTFLAGS}", linker.display()));
    process::run(&mut cargo).context("cannot build the kernel programs")?;
    let built = paths::bpf_target_dir().join(TARGET).join("release").join(program);
    copy_if_changed(&built, object)?;
    Ok(object.to_owned())
}

/// Where bpf-linker finds rustc's LLVM, before the places that were set already.
fn library_path() -> Result<OsString> {
    let set = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = iter::once(Rustc::installed()?.libraries()).chain(env::split_paths(&set));
    env::join_paths(folders.filter(|folder| !folder.as_os_str().is_empty()))
        .context("a library folder's name has a `:`")
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let folder = to.parent().context("the object has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let unfinished = to.with_extension("o.new");
    fs::write(&unfinished, new).with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::copy_if_changed;
    use std::fs;

    #[test]
    fn same_content_keeps_the_time_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("sub/to"));
        fs::write(&from, "one").unwrap();
        copy_if_changed(&from, &to).unwrap();
        let before = fs::metadata(&to).unwrap().modified().unwrap();
        copy_if_changed(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), before);
        fs::write(&from, "two").unwrap();
        copy_if_changed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
    }
}
