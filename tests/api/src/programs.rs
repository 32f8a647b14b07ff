//! The programs of a control plane, which `cargo xtask` fetches and names.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use weir_lab::Process;

/// Seconds on a quiet machine; an emulated one is some twenty times slower.
pub(crate) const READY_LIMIT: Duration = Duration::from_mins(3);
/// How often a program is asked whether it is ready.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) etcd: PathBuf,
    pub(crate) api_server: PathBuf,
    pub(crate) kubectl: PathBuf,
}

impl Programs {
    /// As the variables say that the task sets.
    pub(crate) fn of_the_environment() -> Result<Self> {
        Ok(Self {
            etcd: named_by("WEIR_ETCD")?,
            api_server: named_by("WEIR_KUBE_APISERVER")?,
            kubectl: named_by("WEIR_KUBECTL")?,
        })
    }
}

pub(crate) fn named_by(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from).with_context(|| {
        format!("{variable} names no program: run these tests by `cargo xtask test --rung api`, which fetches it")
    })?;
    ensure!(path.is_file(), "{variable} names {}, which is no file", path.display());
    Ok(path)
}

/// A program that sees nothing of the person's own environment and works in `folder`.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}

/// An error with its last words if a program has ended.
pub(crate) fn must_run(name: &str, process: &mut Process) -> Result<()> {
    if !process.is_running() {
        bail!("{name} ended by itself; {}", process.last_words());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missing_variable_names_the_task() {
        let error = super::named_by("WEIR_NO_SUCH_PROGRAM").unwrap_err().to_string();
        assert!(error.contains("WEIR_NO_SUCH_PROGRAM") && error.contains("cargo xtask test --rung api"), "{error}");
    }

    #[test]
    fn a_variable_must_name_a_file() {
        let error = super::named_by("CARGO_MANIFEST_DIR").unwrap_err().to_string();
        assert!(error.contains("is no file"), "{error}");
    }
}
