//! The static programs that go into images.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::{self, Artifact};
use crate::tools::rust_std;
use crate::{paths, process};

/// The processors that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    /// The processors of this machine.
    pub fn here() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("images are for x86_64 and aarch64, and this machine is {other}"),
        }
    }

    /// The name that images carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    fn rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// What compiles C and links for these processors.
    fn compiler(self) -> &'static str {
        match self {
            Self::Amd64 if cfg!(target_arch = "x86_64") => "cc",
            Self::Amd64 => "x86_64-linux-gnu-gcc",
            Self::Arm64 if cfg!(target_arch = "aarch64") => "cc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }
}

/// Optimised programs with no shared library.
pub struct Programs {
    /// The agent and its commands.
    pub weir: PathBuf,
    /// The traffic tools.
    pub lab: PathBuf,
}

impl Programs {
    /// Builds them.
    pub fn build(architecture: Architecture) -> Result<Self> {
        build::build_object()?;
        let target = target(architecture)?;
        let variable = target.replace('-', "_");
        let mut cargo = process::cargo("build");
        cargo
            .args(["--release", "--package", "weir", "--package", "weir-lab", "--bins", "--target", &target])
            // A folder of its own: the flags of other builds would make cargo start again each time.
            .arg("--target-dir")
            .arg(paths::workspace().join("target/static"))
            .env("RUSTFLAGS", "-C target-feature=+crt-static -C strip=debuginfo")
            .env(format!("CC_{variable}"), architecture.compiler())
            // The GNU C library's checked functions, which some compilers turn on, are in no other library.
            .env(format!("CFLAGS_{variable}"), "-U_FORTIFY_SOURCE")
            .env(format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), architecture.compiler());
        let built = build::executables(&mut cargo).with_context(|| format!("cannot build for {target}"))?;
        let find = |name: &str| {
            let artifact = built.iter().find(|Artifact { name: known, .. }| known == name);
            artifact.map(|artifact| artifact.path.clone()).with_context(|| format!("the build made no program {name}"))
        };
        Ok(Self { weir: find("weir")?, lab: find("weir-lab")? })
    }
}

/// The Rust target to build for: musl, or GNU where musl's standard library is not to be had.
fn target(architecture: Architecture) -> Result<String> {
    let compiler = architecture.compiler();
    process::output(Command::new(compiler).arg("--version")).with_context(|| {
        let (rust, debian) = (architecture.rust().replace('_', "-"), architecture.name());
        format!(
            "programs for {debian} are compiled with {compiler}, which this machine lacks \
             (Debian: `apt install gcc-{rust}-linux-gnu libc6-dev-{debian}-cross`)"
        )
    })?;
    let [musl, gnu] = ["musl", "gnu"].map(|library| format!("{}-unknown-linux-{library}", architecture.rust()));
    match rust_std::ensure(&musl) {
        Ok(()) => Ok(musl),
        Err(why) if rust_std::is_installed(&gnu)? => {
            eprintln!("linking with the GNU C library, as Rust's musl target cannot be had: {why:#}");
            Ok(gnu)
        }
        Err(why) => Err(why),
    }
}
