//! Whether this machine's KVM works, found out by a trial boot and remembered.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::{Output, VmSpec};
use crate::paths;

/// How QEMU runs the VM's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the host's processors.
    Kvm,
    /// By emulation: works everywhere; only ratios of timings mean something.
    Tcg,
}

impl Accelerator {
    /// KVM where a trial boot shows that it works, else emulation.
    pub fn of_this_machine() -> Result<Self> {
        if OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(Self::Tcg);
        }
        let memory = memory_file()?;
        match fs::read_to_string(&memory).as_deref().map(str::trim) {
            Ok("works") => return Ok(Self::Kvm),
            Ok("fails") => return Ok(Self::Tcg),
            _ => {}
        }
        eprintln!("trying whether KVM works on this machine");
        let spec = VmSpec {
            cpus: 1,
            memory_mib: 512,
            command: vec!["true".to_owned()],
            timeout: Duration::from_secs(20),
            stdout: Output::Keep,
            stderr: Output::Keep,
            ..VmSpec::default()
        };
        let found = match super::run_with(&spec, Self::Kvm) {
            Ok(result) if result.exit_code == 0 => Self::Kvm,
            Ok(_) | Err(_) => {
                eprintln!("KVM does not work here; the VM is emulated instead");
                Self::Tcg
            }
        };
        fs::create_dir_all(paths::cache()?)?;
        fs::write(&memory, if found == Self::Kvm { "works\n" } else { "fails\n" })?;
        Ok(found)
    }

    /// QEMU's arguments.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // Five-level page tables only make emulation slower.
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"],
        }
    }
}

/// Where the outcome is kept: a file per machine and host kernel, since either may change it.
fn memory_file() -> Result<PathBuf> {
    let word =
        |path: &str| fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
    let (machine, kernel) = (word("/etc/machine-id"), word("/proc/sys/kernel/osrelease"));
    Ok(paths::cache()?.join(format!("kvm-{machine}-{kernel}")))
}
