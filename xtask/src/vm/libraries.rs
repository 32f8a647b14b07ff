//! The shared libraries of programs that go into the VM.
//!
//! All of them end up in one folder. The fetched programs need Debian 13's C library, what was built
//! here needs the host's: both get the newer of the two, since glibc stays compatible with older users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::tools::guest::Guest;
use crate::tools::loader;

/// Libraries by the name that the loader looks for.
#[derive(Default)]
pub(super) struct Libraries {
    fetched: BTreeMap<String, PathBuf>,
    host: BTreeMap<String, PathBuf>,
}

impl Libraries {
    /// Adds what a fetched program needs, found among the fetched libraries.
    pub(super) fn add_fetched(&mut self, guest: &Guest, program: &Path) -> Result<()> {
        self.fetched.extend(loader::needed(&guest.loader(), &guest.libraries(), program)?);
        self.fetched.insert("ld-linux-x86-64.so.2".to_owned(), guest.loader());
        // Named by no program: the C library opens it by itself when a thread is cancelled.
        self.fetched.insert("libgcc_s.so.1".to_owned(), guest.libraries().join("libgcc_s.so.1"));
        Ok(())
    }

    /// Adds what one of the host's programs needs. A static program needs nothing.
    pub(super) fn add_host(&mut self, program: &Path) -> Result<()> {
        let output = Command::new("ldd")
            .arg(program)
            .env("LC_ALL", "C")
            .output()
            .context("cannot start `ldd`, which tells a program's libraries")?;
        let list = String::from_utf8_lossy(&output.stdout);
        if let Some(missing) = list.lines().find(|line| line.contains("=> not found")) {
            anyhow::bail!("{} needs a library that this machine lacks: {}", program.display(), missing.trim());
        }
        self.host.extend(loader::parse(&list));
        Ok(())
    }

    /// One file per name: of two, that of the side with the newer C library.
    pub(super) fn chosen(self, guest: &Guest) -> BTreeMap<String, PathBuf> {
        let (mut chosen, winners) =
            if self.host_is_newer(guest) { (self.fetched, self.host) } else { (self.host, self.fetched) };
        chosen.extend(winners);
        chosen
    }

    fn host_is_newer(&self, guest: &Guest) -> bool {
        let Some(loader) = self.host.get("ld-linux-x86-64.so.2") else { return false };
        glibc_version(loader) > glibc_version(&guest.loader())
    }
}

/// The version that a glibc's loader states, as (2, 41). A loader that states none counts as old.
fn glibc_version(loader: &Path) -> (u32, u32) {
    let text = process::output(Command::new(loader).arg("--version")).unwrap_or_default();
    version_in(text.lines().next().unwrap_or_default())
}

/// "ld.so (Debian GLIBC 2.41-12) stable release version 2.41." → (2, 41).
fn version_in(line: &str) -> (u32, u32) {
    line.split_whitespace()
        .next_back()
        .and_then(|word| word.trim_end_matches('.').split_once('.'))
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version_in("ld.so (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36."), (2, 36));
        assert!(version_in("stable release version 2.100.") > version_in("stable release version 2.41."));
    }
}
