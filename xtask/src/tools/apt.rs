//! Debian packages without root and without touching the machine's own package state.
//!
//! A private apt root per suite has one source: the address that the machine's own apt already uses
//! for Debian, with the suite changed. Packages are unpacked with `dpkg-deb -x`, never installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::store;
use crate::{paths, process};

/// Names a Debian mirror where the machine's own apt has none (a machine that is not Debian).
const MIRROR_VARIABLE: &str = "WEIR_DEBIAN_MIRROR";
/// Debian's own keyring, which every Debian has and other distributions have as a package.
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A private apt root for one suite, with fresh package lists.
pub struct Suite {
    name: String,
    config: PathBuf,
}

impl Suite {
    /// Prepares the private root of a suite ("trixie", "bookworm", …) and updates its lists.
    pub fn open(name: &str) -> Result<Self> {
        let root = paths::cache()?.join("apt").join(name);
        for folder in ["lists/partial", "archives/partial", "etc"] {
            fs::create_dir_all(root.join(folder))
                .with_context(|| format!("cannot create {}", root.join(folder).display()))?;
        }
        let _lock = store::lock(&root.join(".lock"))?;
        let source = Source::of_this_machine()?;
        fs::write(root.join("etc/weir.sources"), source.stanza(name))?;
        fs::write(root.join("status"), "")?;
        let config = root.join("apt.conf");
        fs::write(&config, configuration(&root))?;
        let suite = Self { name: name.to_owned(), config };
        process::output(suite.apt("apt-get").args(["--error-on=any", "update"])).with_context(|| {
            format!(
                "cannot read the package lists of Debian {name} from {} (keys: {})",
                source.uri,
                source.keyring.as_deref().unwrap_or("apt's own")
            )
        })?;
        Ok(suite)
    }

    /// Unpacks the packages and all that they depend on, down to the C library, into `folder`.
    pub fn unpack_closure(&self, packages: &[&str], folder: &Path) -> Result<()> {
        let downloads = folder.join(".debs");
        fs::create_dir_all(downloads.join("partial"))?;
        let mut apt = self.apt("apt-get");
        apt.args(["install", "--yes", "--download-only", "--no-install-recommends"])
            .arg(format!("-oDir::Cache::archives={}", downloads.display()))
            .args(packages);
        process::output(&mut apt)
            .with_context(|| format!("cannot download {} from Debian {}", packages.join(", "), self.name))?;
        unpack_all(&downloads, folder)
    }

    /// Unpacks just this package (`name` or `name=version`), without what it depends on.
    pub fn unpack_one(&self, package: &str, folder: &Path) -> Result<()> {
        let downloads = folder.join(".debs");
        fs::create_dir_all(&downloads)?;
        process::output(self.apt("apt-get").args(["download", package]).current_dir(&downloads))
            .with_context(|| format!("cannot download {package} from Debian {}", self.name))?;
        unpack_all(&downloads, folder)
    }

    /// The packages that `package` depends on directly.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let text = process::output(self.apt("apt-cache").args(["depends", package]))
            .with_context(|| format!("Debian {} has no package {package}", self.name))?;
        Ok(text.lines().filter_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned).collect())
    }

    /// The versions of `package` that the suite offers, as apt orders them.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let text = process::output(self.apt("apt-cache").args(["madison", package]))?;
        Ok(text.lines().filter_map(|line| line.split('|').nth(1)).map(|version| version.trim().to_owned()).collect())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).env("LC_ALL", "C.UTF-8");
        command
    }
}

/// What makes apt work in a folder of its own: no root, no locks of dpkg, no package installed.
fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "Dir::Etc::SourceList \"{root}/etc/weir.sources\";\n\
         Dir::Etc::SourceParts \"-\";\n\
         Dir::Etc::Preferences \"-\";\n\
         Dir::Etc::PreferencesParts \"-\";\n\
         Dir::State::Lists \"{root}/lists\";\n\
         Dir::State::status \"{root}/status\";\n\
         Dir::Cache \"{root}\";\n\
         APT::Sandbox::User \"\";\n\
         APT::Architecture \"amd64\";\n\
         APT::Architectures {{ \"amd64\"; }};\n\
         APT::Update::Post-Invoke-Success \"\";\n\
         Debug::NoLocking \"true\";\n\
         Acquire::Retries \"3\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled \"false\";\n\
         Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled \"false\";\n"
    )
}

fn unpack_all(downloads: &Path, folder: &Path) -> Result<()> {
    let mut found = false;
    for entry in fs::read_dir(downloads)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            found = true;
            process::output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder))?;
        }
    }
    if !found {
        bail!("apt downloaded no package into {}", downloads.display());
    }
    fs::remove_dir_all(downloads).with_context(|| format!("cannot remove {}", downloads.display()))
}

/// Where Debian's packages come from on this machine.
struct Source {
    uri: String,
    /// A keyring file, or `None` for the keys that apt trusts anyway.
    keyring: Option<String>,
}

impl Source {
    fn of_this_machine() -> Result<Self> {
        if let Ok(uri) = env::var(MIRROR_VARIABLE) {
            return Ok(Self { uri, keyring: default_keyring() });
        }
        let targets = process::output(
            Command::new("apt-get")
                .args(["indextargets", "--format", "$(REPO_URI)|$(SOURCESENTRY)|$(COMPONENT)"])
                .arg("Created-By: Packages"),
        )
        .context("Debian packages need apt-get, which this machine lacks")?;
        for line in targets.lines() {
            let mut fields = line.split('|');
            let (Some(uri), Some(entry), Some("main")) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if uri.trim_end_matches('/').ends_with("/debian") {
                let file = entry.rsplit_once(':').map_or(entry, |(file, _)| file);
                let keyring = signed_by(&fs::read_to_string(file).unwrap_or_default(), uri);
                return Ok(Self { uri: uri.to_owned(), keyring: keyring.or_else(default_keyring) });
            }
        }
        bail!(
            "the machine's apt has no Debian source (an address that ends with /debian, component main); \
             name a Debian mirror in {MIRROR_VARIABLE} and install Debian's keyring as {DEBIAN_KEYRING}"
        )
    }

    fn stanza(&self, suite: &str) -> String {
        let keyring = self.keyring.as_ref().map(|path| format!("Signed-By: {path}\n")).unwrap_or_default();
        format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n{keyring}", self.uri)
    }
}

fn default_keyring() -> Option<String> {
    Path::new(DEBIAN_KEYRING).exists().then(|| DEBIAN_KEYRING.to_owned())
}

/// The keyring file that an apt source names for an address, in either of apt's two formats.
fn signed_by(sources: &str, uri: &str) -> Option<String> {
    let uri = uri.trim_end_matches('/');
    let stanza =
        sources.split("\n\n").find(|stanza| stanza.split_whitespace().any(|word| word.trim_end_matches('/') == uri))?;
    stanza
        .lines()
        .find_map(|line| {
            let lower = line.to_ascii_lowercase();
            if lower.starts_with("signed-by:") {
                return line.split_whitespace().nth(1).map(str::to_owned);
            }
            let at = lower.find("signed-by=").filter(|_| line.contains(uri))?;
            line[at + "signed-by=".len()..].split([' ', ']']).next().map(str::to_owned)
        })
        .filter(|keyring| keyring.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::signed_by;

    #[test]
    fn keyring_of_a_deb822_source() {
        let text = "Types: deb\nURIs: http://a.example/debian-security\nSigned-By: /wrong.gpg\n\n\
                    Types: deb\nURIs: http://a.example/debian\nSuites: x\nSigned-By: /right.gpg\n";
        assert_eq!(signed_by(text, "http://a.example/debian/").as_deref(), Some("/right.gpg"));
    }

    #[test]
    fn keyring_of_a_one_line_source() {
        let text = "deb [signed-by=/other.gpg] http://b.example/debian x main\n\
                    deb [arch=amd64 signed-by=/right.gpg] http://a.example/debian x main\n";
        assert_eq!(signed_by(text, "http://a.example/debian").as_deref(), Some("/right.gpg"));
    }

    #[test]
    fn no_keyring_named() {
        assert_eq!(signed_by("deb http://a.example/debian x main\n", "http://a.example/debian"), None);
    }
}
