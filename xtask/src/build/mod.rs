//! `cargo xtask build`: the kernel programs first, then the host binaries that embed them.

mod host;
mod object;

use std::process::ExitCode;

use anyhow::Result;

pub use self::host::{Artifact, Profile, executables, host_binaries, named, test_programs};
pub use self::object::{build_interference, build_object};

/// Arguments of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Args {
    /// Build the host binaries with optimisation (the kernel programs always are).
    #[arg(long)]
    release: bool,
}

/// Builds everything and says where it is.
pub fn main(args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Debug };
    println!("{}", build_object()?.display());
    for artifact in host_binaries(profile)? {
        println!("{}", artifact.path.display());
    }
    Ok(ExitCode::SUCCESS)
}
