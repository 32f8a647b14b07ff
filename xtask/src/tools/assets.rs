//! A control plane that the person has already, as `setup-envtest` of the kubebuilder project installs it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Names the folder with `kube-apiserver`, `kubectl` and `etcd`.
pub const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The program of that name in the person's folder, if they named one. A folder without it is an error.
pub fn program(name: &str) -> Result<Option<PathBuf>> {
    match env::var_os(VARIABLE) {
        Some(folder) if !folder.is_empty() => program_in(Path::new(&folder), name).map(Some),
        _ => Ok(None),
    }
}

fn program_in(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "{VARIABLE} names {}, which has no {name}: it has to hold kube-apiserver, kubectl and etcd; \
             without the variable they are fetched",
            folder.display()
        );
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::program_in;

    #[test]
    fn a_folder_has_the_program_or_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("etcd"), "").unwrap();
        assert_eq!(program_in(folder.path(), "etcd").unwrap(), folder.path().join("etcd"));
        let error = program_in(folder.path(), "kubectl").unwrap_err().to_string();
        assert!(error.contains("has no kubectl") && error.contains("KUBEBUILDER_ASSETS"), "{error}");
    }
}
