//! What this kernel and this process can do. Features are tried, not guessed from a version.

use std::path::Path;

use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::DatapathError;

/// Capabilities that the agent needs, by number (`include/uapi/linux/capability.h`), and what for.
pub const CAPABILITIES: [(&str, u32, &str); 2] =
    [("CAP_BPF", 39, "load BPF programs"), ("CAP_NET_ADMIN", 12, "attach programs and qdiscs to interfaces")];

/// `CAP_PERFMON`, by number: with it the verifier follows what it otherwise refuses. 6.1 refuses our programs without it,
/// 6.12 does not.
pub const CAP_PERFMON: u32 = 38;

/// `CAP_SYS_ADMIN`, which includes `CAP_BPF` and `CAP_PERFMON`.
const CAP_SYS_ADMIN: u32 = 21;

/// Fails with the first thing that is missing and without which nothing works.
pub fn require(bpffs: &Path) -> Result<(), DatapathError> {
    for (capability, number, purpose) in CAPABILITIES {
        if !has_capability(number) {
            return Err(DatapathError::Capability { capability, purpose });
        }
    }
    require_bpffs(bpffs)
}

/// Fails unless a BPF file system is mounted there.
pub fn require_bpffs(path: &Path) -> Result<(), DatapathError> {
    if is_bpffs(path) { Ok(()) } else { Err(DatapathError::NoBpffs { path: path.to_owned() }) }
}

/// Whether this process has a capability in effect (`CapEff` of `/proc/self/status`).
#[must_use]
pub fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map_or("", str::trim);
    let effective = u64::from_str_radix(effective, 16).unwrap_or(0);
    let has = |number: u32| effective & (1 << number) != 0;
    has(number) || ([39, CAP_PERFMON].contains(&number) && has(CAP_SYS_ADMIN))
}

/// Whether a BPF file system is mounted there.
#[must_use]
pub fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|info| info.filesystem_type() == BPF_FS_MAGIC)
}

/// Whether the kernel has tcx (6.6): asks who is attached to the loopback interface.
#[must_use]
pub fn has_tcx() -> bool {
    match SchedClassifier::query_tcx("lo", TcAttachType::Egress) {
        Ok(_) => true,
        // Somebody's program is there, and only CAP_SYS_ADMIN may look at it.
        Err(ProgramError::SyscallError(error)) => error.io_error.raw_os_error() == Some(libc::EPERM),
        Err(_) => false,
    }
}

/// Whether the kernel tells its types (BTF).
#[must_use]
pub fn has_btf() -> bool {
    Path::new("/sys/kernel/btf/vmlinux").exists()
}
