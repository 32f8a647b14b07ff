//! Cilium's agent, operator and CNI plugin, built from Cilium's Go module because no package has them, and the sources
//! of the BPF programs that the agent compiles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{go, store};
use crate::process;

const MODULE: &str = "github.com/cilium/cilium";
const VERSION: &str = "1.19.4";
/// Modules that are not verified against Go's checksum database. Cilium replaces some modules by its own forks, whose
/// checksums are in Cilium's go.sum and not in the database.
const FORKS: &str = "github.com/cilium/*";
/// The build tags of Cilium's own makefiles. `ipam_provider_operator` selects the generic operator.
const TAGS: &str = "osusergo,ipam_provider_operator";
/// The packages of the programs, relative to the module, and the programs' names.
const PROGRAMS: [(&str, &str); 3] =
    [("daemon", "cilium-agent"), ("operator", "cilium-operator"), ("plugins/cilium-cni", "cilium-cni")];

/// An installed Cilium: the built programs and the BPF sources of the same version.
pub struct Cilium {
    folder: PathBuf,
}

/// Returns Cilium, and builds it if it is missing.
pub fn ensure() -> Result<Cilium> {
    let what = "Cilium's agent, operator and CNI plugin (Go modules of some 300 MB, built in about five minutes)";
    Ok(Cilium { folder: store::ensure("cilium", &version()?, what, build)? })
}

/// Returns the version of Cilium and of the Go that builds it, which together identify a build.
pub fn version() -> Result<String> {
    Ok(format!("{VERSION}-{}", go::version("Cilium's programs are built from their", "")?))
}

impl Cilium {
    /// Returns the folder of the installation.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the paths of the agent and of the operator.
    pub fn programs(&self) -> [PathBuf; 2] {
        ["cilium-agent", "cilium-operator"].map(|name| self.folder.join(name))
    }

    /// Returns the path of the CNI plugin.
    pub fn plugin(&self) -> PathBuf {
        self.folder.join("cilium-cni")
    }

    /// Returns the folder of the BPF programs' sources.
    pub fn bpf(&self) -> PathBuf {
        self.folder.join("bpf")
    }
}

fn build(folder: &Path) -> Result<()> {
    let sources = folder.join("build");
    fs::create_dir(&sources).with_context(|| format!("cannot create {}", sources.display()))?;
    let cilium = go::download(&sources, &format!("{MODULE}@v{VERSION}"))?;
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    fs::write(sources.join("go.mod"), module(&read(&cilium.go_mod)?)?)?;
    fs::write(sources.join("go.sum"), read(&cilium.folder.join("go.sum"))?)?;
    fs::write(sources.join("tools.go"), imports())?;
    process::output(go::command(&sources).args(["mod", "tidy"]).env("GONOSUMDB", FORKS))
        .context("cannot fetch the modules that Cilium uses")?;
    for (package, program) in PROGRAMS {
        let flags = format!("-s -w -X {MODULE}/pkg/version.ciliumVersion={VERSION}");
        let mut go = go::command(&sources);
        go.args(["build", "-trimpath", "-tags", TAGS, "-ldflags", &flags, "-o"]).arg(folder.join(program));
        go.arg(format!("{MODULE}/{package}")).env("GONOSUMDB", FORKS).env("CGO_ENABLED", "0");
        process::output(&mut go).with_context(|| format!("cannot build {program}"))?;
    }
    // The module cache is read-only, and the copy must be removable.
    let mut copy = Command::new("cp");
    copy.args(["-r", "--no-preserve=mode"]).arg(cilium.folder.join("bpf")).arg(folder.join("bpf"));
    process::output(&mut copy).context("cannot copy the sources of Cilium's BPF programs")?;
    for unused in ["bpf/tests", "bpf/complexity-tests"].map(|name| folder.join(name)).iter().chain([&sources]) {
        fs::remove_dir_all(unused).with_context(|| format!("cannot remove {}", unused.display()))?;
    }
    Ok(())
}

/// Returns a go.mod that requires Cilium and repeats its `replace` directives, because Go applies only those of the
/// main module.
fn module(cilium: &str) -> Result<String> {
    let language = go::language(cilium).context("Cilium's go.mod does not say its version of Go")?;
    let mut lines = vec!["module weir.test/cilium".to_owned(), language.to_owned()];
    lines.push(format!("require {MODULE} v{VERSION}"));
    for line in cilium.lines().filter(|line| line.contains(" => ")) {
        let replacement = line.trim().trim_start_matches("replace ");
        if replacement.contains(" => .") {
            bail!("Cilium's go.mod replaces a module by a folder of its repository, which is not published: {line}");
        }
        lines.push(format!("replace {replacement}"));
    }
    Ok(lines.join("\n") + "\n")
}

/// Returns a file that is never compiled and makes `go mod tidy` keep what the programs need.
fn imports() -> String {
    let imports = PROGRAMS.map(|(package, _)| format!("import _ \"{MODULE}/{package}\"\n")).concat();
    format!("//go:build tools\n\npackage tools\n\n{imports}")
}

#[cfg(test)]
mod tests {
    use super::{imports, module};

    #[test]
    fn replacements_are_repeated() {
        let theirs = "module github.com/cilium/cilium\n\ngo 1.25.0\n\nrequire github.com/a/b v1.0.0\n\n\
                      replace github.com/a/b => github.com/cilium/b v1.0.1\n\n\
                      replace (\n\tgithub.com/c/d/v3 => github.com/cilium/d/v3 v3.0.0\n)\n";
        let ours = module(theirs).unwrap();
        assert_eq!(
            ours.lines().collect::<Vec<_>>(),
            [
                "module weir.test/cilium",
                "go 1.25.0",
                "require github.com/cilium/cilium v1.19.4",
                "replace github.com/a/b => github.com/cilium/b v1.0.1",
                "replace github.com/c/d/v3 => github.com/cilium/d/v3 v3.0.0",
            ]
        );
        assert!(imports().contains("import _ \"github.com/cilium/cilium/plugins/cilium-cni\"\n"));
    }

    #[test]
    fn a_replacement_that_nobody_else_has_is_an_error() {
        let error = module("go 1.25.0\nreplace github.com/a/b => ./b\n").unwrap_err().to_string();
        assert!(error.contains("./b"), "{error}");
    }
}
