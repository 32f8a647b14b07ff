//! Plays a scene of `weir-lab`, in the VM or on this machine, for the demo and the benchmarks.

mod native;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::Profile;
use crate::vm::{self, Accelerator, Output, VmSpec};

/// Where a scene plays.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// Play on this machine and not in a VM: needs root, and a kernel with fq and netem.
    #[arg(long)]
    native: bool,
    /// The VM's kernel: 6.1 or 6.12.
    #[arg(long, default_value = "6.12", conflicts_with = "native")]
    kernel: String,
}

/// A scene that was played, to its end or to a failure.
#[derive(Debug)]
pub struct Played {
    /// What the scene printed for programs.
    pub stdout: String,
    /// How `weir-lab` ended; 0 is a success.
    pub exit_code: i32,
    /// The machine, in words.
    pub machine: String,
}

/// Builds everything, plays the scene `weir-lab ARGUMENTS`, and shows its progress on standard error.
///
/// An error means that the machine failed; a scene that fails is told by its exit code.
pub fn play(place: &Place, arguments: &[String], timeout: Duration) -> Result<Played> {
    if place.native {
        native::require()?;
    }
    eprintln!("building Weir and the lab");
    let programs = vm::weir_programs(Profile::Release)?;
    if place.native {
        let (lab, _) =
            programs.iter().find(|(_, inside)| inside.ends_with("/weir-lab")).context("cargo built no weir-lab")?;
        return native::play(lab, arguments);
    }
    eprintln!("booting Linux {} in a VM", place.kernel);
    let command = std::iter::once("weir-lab".to_owned()).chain(arguments.iter().cloned()).collect();
    let result = vm::run(&VmSpec {
        kernel: place.kernel.clone(),
        command,
        files: programs,
        timeout,
        stdout: Output::Keep,
        stderr: Output::Show,
        ..VmSpec::default()
    })?;
    let how = match result.accelerator {
        Accelerator::Kvm => "KVM",
        Accelerator::Tcg => "emulated processors",
    };
    Ok(Played {
        stdout: result.stdout,
        exit_code: result.exit_code,
        machine: format!("Linux {} in QEMU, {how}", result.kernel_release),
    })
}

impl Played {
    /// An error unless the scene came to its end.
    pub fn require_success(&self) -> Result<()> {
        if self.exit_code != 0 {
            bail!("the scene failed on {} with code {}; what it said is above", self.machine, self.exit_code);
        }
        Ok(())
    }
}
