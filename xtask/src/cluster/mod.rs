//! The VM that is a Kubernetes cluster of one node, with Weir's images and manifests at hand.
//!
//! What starts the cluster inside is `weir_lab::cluster`; here is what it needs to find.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::image::{self, Architecture, Image, Programs};
use crate::paths;
use crate::tools::node;
use crate::vm::VmSpec;

/// The tag that the manifests in `deploy/` name.
pub const TAG: &str = env!("CARGO_PKG_VERSION");
/// Another tag of the same program, to be updated to.
pub const NEXT_TAG: &str = concat!(env!("CARGO_PKG_VERSION"), "-next");

/// A control plane, a container runtime, Weir and somebody who measures.
const MEMORY_MIB: u32 = 6144;

/// Kernel modules that Cilium needs in addition to a node's own: for its iptables rules, and for the netlink sockets that
/// its agent opens when it starts.
const CILIUM_MODULES: &[&str] = &[
    "ip_set",
    "ip_set_hash_ip",
    "ip_set_hash_net",
    "xt_set",
    "xt_socket",
    "xt_CT",
    "xt_TPROXY",
    "nft_masq",
    "xfrm_user",
];

/// A specification without a command: the newest kernel, the node's disk, and the files that
/// `weir_lab::cluster` finds by its environment.
pub fn vm() -> Result<VmSpec> {
    vm_on(node::ensure()?)
}

/// Returns the same specification with the disk and the kernel modules that Cilium needs.
pub fn vm_with_cilium() -> Result<VmSpec> {
    Ok(VmSpec { modules: CILIUM_MODULES.to_vec(), ..vm_on(node::with_cilium()?)? })
}

fn vm_on(disk: PathBuf) -> Result<VmSpec> {
    eprintln!("building static programs for images");
    let programs = Programs::build(Architecture::Amd64)?;
    let images = paths::workspace().join("target/cluster/images");
    write_images(&programs, &images)?;
    let variables = [
        ("WEIR_NODE_DISK", "/dev/vda"),
        ("WEIR_IMAGES", "/weir/images"),
        ("WEIR_DEPLOY", "/weir/deploy"),
        ("WEIR_TAG", TAG),
        ("WEIR_NEXT_TAG", NEXT_TAG),
    ];
    Ok(VmSpec {
        memory_mib: MEMORY_MIB,
        disk: Some(disk),
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        files: vec![
            (images, "/weir/images".to_owned()),
            (paths::workspace().join("deploy"), "/weir/deploy".to_owned()),
            (programs.lab, "/usr/bin/weir-lab".to_owned()),
        ],
        ..VmSpec::default()
    })
}

/// Weir under both tags, and the traffic tools as a pod's program and as what holds a pod together.
fn write_images(programs: &Programs, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let lab = "docker.io/library/weir-lab";
    let images: [(String, &PathBuf, &[&str]); 4] = [
        (format!("{}:{TAG}", image::NAME), &programs.weir, &[]),
        (format!("{}:{NEXT_TAG}", image::NAME), &programs.weir, &[]),
        (format!("{lab}:tools"), &programs.lab, &[]),
        (format!("{lab}:pause"), &programs.lab, &["pause"]),
    ];
    for (name, program, arguments) in images {
        let file = folder.join(name.rsplit('/').next().unwrap_or(&name).replace(':', "-") + ".tar");
        image::write(&Image { name, architecture: Architecture::Amd64, program, arguments }, &file)?;
    }
    Ok(())
}
