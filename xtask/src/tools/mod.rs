//! What building and the VM need besides cargo, fetched once into `<cache>/weir/tools/<name>-<version>`.
//!
//! Every function here returns at once when the tool is present, says what it fetches when it is
//! not, needs no root, and changes nothing outside the cache folder (except Rust's own libraries, which
//! belong into the Rust toolchain).

pub mod apt;
pub mod assets;
pub mod bpf_linker;
pub mod cargo_deny;
pub mod cilium;
pub mod etcd;
mod go;
pub mod guest;
pub mod helm;
pub mod kernel;
pub mod kubernetes;
pub mod libtorrent;
pub mod loader;
pub mod node;
pub mod qemu;
pub mod rust_src;
pub mod rust_std;
pub mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

/// Arguments of `cargo xtask tools`.
#[derive(clap::Args)]
pub struct Args {
    /// Fetch this tool only, and print nothing but its path.
    name: Option<String>,
}

/// Gives a tool's path, and fetches the tool if it is missing.
type Ensure = fn() -> Result<PathBuf>;

/// Every tool by its name.
const TOOLS: &[(&str, Ensure)] = &[
    ("rust-src", rust_src::ensure),
    ("bpf-linker", bpf_linker::ensure),
    ("qemu", || Ok(qemu::ensure()?.root().to_owned())),
    ("guest", || Ok(guest::ensure()?.root().to_owned())),
    ("linux-6.1", || Ok(kernel::ensure("6.1")?.image())),
    ("linux-6.12", || Ok(kernel::ensure("6.12")?.image())),
    ("cargo-deny", cargo_deny::ensure),
    ("etcd", etcd::ensure),
    ("helm", helm::ensure),
    ("kube-apiserver", kubernetes::api_server),
    ("kubectl", kubernetes::kubectl),
    ("node", node::ensure),
    ("libtorrent", || Ok(libtorrent::ensure()?.python())),
    ("cilium", || Ok(cilium::ensure()?.folder().to_owned())),
    ("cilium-node", node::with_cilium),
];

/// Fetches what is missing of all tools or of one, and says where it is.
pub fn main(args: &Args) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        for (name, ensure) in TOOLS {
            println!("{name:<14} {}", ensure()?.display());
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some((_, ensure)) = TOOLS.iter().find(|(known, _)| known == name) else {
        let known: Vec<_> = TOOLS.iter().map(|(name, _)| *name).collect();
        bail!("no tool is called {name}: there are {}", known.join(", "));
    };
    println!("{}", ensure()?.display());
    Ok(ExitCode::SUCCESS)
}
