//! `cargo xtask image`: container images of one static program each, without a container engine.
//!
//! The programs carry their C library. That is musl, as Rust ships it; where `rustup target add` cannot
//! fetch it, the GNU library with `+crt-static`, which serves an agent as well: the API server has an
//! address inside a cluster, so no name is resolved.

mod archive;
mod layer;
mod program;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

pub use self::archive::Image;
pub use self::program::{Architecture, Programs};
use crate::paths;

/// The name of the image in `deploy/base/daemonset.yaml`.
pub const NAME: &str = "docker.io/library/weir";

/// Arguments of `cargo xtask image`.
#[derive(clap::Args)]
pub struct Args {
    /// The image's tag [default: Weir's version]
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// The processors that it is for
    #[arg(long, value_enum, default_value_t = Architecture::Amd64)]
    arch: Architecture,
    /// The file to write [default: target/image/weir-TAG-ARCH.tar]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Builds the program and writes the archive.
pub fn main(args: &Args) -> Result<ExitCode> {
    let programs = Programs::build(args.arch)?;
    let file = args
        .out
        .clone()
        .unwrap_or_else(|| paths::workspace().join(format!("target/image/weir-{}-{}.tar", args.tag, args.arch.name())));
    let image = Image {
        name: format!("{NAME}:{}", args.tag),
        architecture: args.arch,
        program: &programs.weir,
        arguments: &[],
    };
    write(&image, &file)?;
    println!("{}", file.display());
    eprintln!(
        "{} for `ctr -n k8s.io images import` on a node, or `skopeo copy oci-archive:…` to a registry",
        image.name
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes an image's archive, and the folder that it lies in.
pub fn write(image: &Image, file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    image.write(file).with_context(|| format!("cannot write the image {} to {}", image.name, file.display()))
}
