//! Plays a scene of `weir-lab`, in the VM or on this machine, for the demo and the benchmarks.

mod native;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::Profile;
use crate::vm::{self, Accelerator, Output, VmSpec};

/// How a machine without KVM is described.
pub const EMULATED: &str = "emulated processors";

/// Where a scene plays.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// Play on this machine and not in a VM: needs root, and a kernel with fq and netem.
    #[arg(long)]
    native: bool,
    /// The VM's kernel: 6.1 or 6.12.
    #[arg(long, default_value = "6.12", conflicts_with = "native")]
    kernel: String,
}

/// A program that a scene starts beside Weir's own ones.
#[derive(Debug, Clone)]
pub struct Prop {
    /// The variable by which the scene finds the program.
    pub variable: &'static str,
    /// The program on this machine.
    pub here: PathBuf,
    /// The program in the VM.
    pub inside: String,
    /// Everything that has to be in the VM for it, the program included.
    pub files: Vec<(PathBuf, String)>,
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
pub fn play(place: &Place, arguments: &[String], props: &[Prop], timeout: Duration) -> Result<Played> {
    if place.native {
        native::require()?;
    }
    eprintln!("building Weir and the lab");
    let mut programs = vm::weir_programs(Profile::Release)?;
    if place.native {
        let (lab, _) =
            programs.iter().find(|(_, inside)| inside.ends_with("/weir-lab")).context("cargo built no weir-lab")?;
        return native::play(lab, arguments, props);
    }
    eprintln!("booting Linux {} in a VM", place.kernel);
    let command = std::iter::once("weir-lab".to_owned()).chain(arguments.iter().cloned()).collect();
    programs.extend(props.iter().flat_map(|prop| prop.files.iter().cloned()));
    let result = vm::run(&VmSpec {
        kernel: place.kernel.clone(),
        command,
        environment: props.iter().map(|prop| (prop.variable.to_owned(), prop.inside.clone())).collect(),
        files: programs,
        timeout,
        stdout: Output::Keep,
        stderr: Output::Show,
        ..VmSpec::default()
    })?;
    let how = match result.accelerator {
        Accelerator::Kvm => "KVM",
        Accelerator::Tcg => EMULATED,
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
