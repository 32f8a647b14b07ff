//! What building and the VM need besides cargo, fetched once into `<cache>/weir/tools/<name>-<version>`.
//!
//! Every function here returns at once when the tool is present, says what it fetches when it is
//! not, needs no root, and changes nothing outside the cache folder (except `rust-src`, which
//! belongs into the Rust toolchain).

pub mod apt;
pub mod bpf_linker;
pub mod cargo_deny;
pub mod guest;
pub mod kernel;
pub mod qemu;
pub mod rust_src;
pub mod store;

use std::process::ExitCode;

use anyhow::Result;

use self::kernel::Kernel;

/// Arguments of `cargo xtask tools`.
#[derive(clap::Args)]
pub struct Args {}

/// Fetches every tool, then lists where each one is.
pub fn main(_: &Args) -> Result<ExitCode> {
    println!("rust-src     {}", rust_src::ensure()?.display());
    println!("bpf-linker   {}", bpf_linker::ensure()?.display());
    println!("qemu         {}", qemu::ensure()?.root().display());
    println!("guest        {}", guest::ensure()?.root().display());
    for series in Kernel::SERIES {
        let kernel = kernel::ensure(series)?;
        println!("linux {:<6} {}", series, kernel.image().display());
    }
    println!("cargo-deny   {}", cargo_deny::ensure()?.display());
    Ok(ExitCode::SUCCESS)
}
