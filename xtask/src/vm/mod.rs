//! `cargo xtask vm`: runs a command in a virtual machine, with Weir and its tools inside.
//!
//! The machine is made on the spot out of a distribution's kernel and an initramfs. It needs no root
//! and no network of the host. [`run`] is what tests, demo and benchmarks call.

mod accel;
mod libraries;
mod modules;
mod ports;
mod root;
mod run;
mod tree;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, Result};

pub use self::accel::Accelerator;
use self::run::run_with;
use crate::build::{self, Profile};

/// What to run, and in which machine. `VmSpec::default()` is the newest kernel with two processors.
#[derive(Debug, Clone)]
pub struct VmSpec {
    /// The kernel's series: one of [`Kernel::SERIES`](crate::tools::kernel::Kernel::SERIES).
    pub kernel: String,
    /// Number of processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// The program and its arguments, as seen inside. It runs as root in `/root`, and whatever it
    /// leaves in `/out` comes back.
    pub command: Vec<String>,
    /// Variables for the command.
    pub environment: Vec<(String, String)>,
    /// Files and folders of the host with their paths inside. A program given as a file brings its libraries along.
    pub files: Vec<(PathBuf, String)>,
    /// Where the content of the machine's `/out` goes.
    pub out: Option<PathBuf>,
    /// A disk with an ext4 file system, seen inside as `/dev/vda`. What is written to it is thrown away.
    pub disk: Option<PathBuf>,
    /// Kernel modules to load in addition to those that every VM loads.
    pub modules: Vec<&'static str>,
    /// A port of the host's 127.0.0.1 and the port inside that it leads to, at 10.0.2.15 on `eth0`. That
    /// interface leads nowhere else.
    pub forward: Option<(u16, u16)>,
    /// How long the command may take.
    pub timeout: Duration,
    /// What happens with the command's standard output.
    pub stdout: Output,
    /// What happens with its standard error.
    pub stderr: Output,
    /// Who hears every line of the command's standard output as it comes, beside what `stdout` says.
    pub lines: Option<Sender<String>>,
}

impl Default for VmSpec {
    fn default() -> Self {
        Self {
            kernel: "6.12".to_owned(),
            cpus: 2,
            memory_mib: 2048,
            command: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            out: None,
            disk: None,
            modules: Vec::new(),
            forward: None,
            timeout: Duration::from_mins(30),
            stdout: Output::Show,
            stderr: Output::Show,
            lines: None,
        }
    }
}

/// What happens with one of the command's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Shown while it comes, on the same stream of the host.
    Show,
    /// Kept for the [`VmResult`].
    Keep,
    /// Both.
    ShowAndKeep,
}

impl Output {
    fn shows(self) -> bool {
        self != Self::Keep
    }

    fn keeps(self) -> bool {
        self != Self::Show
    }
}

/// What came of a command that ran to its end, with whatever code.
#[derive(Debug)]
pub struct VmResult {
    /// The command's exit code; 128 + number where a signal ended it.
    pub exit_code: i32,
    /// Its standard output, if it was to be kept.
    pub stdout: String,
    /// Its standard error, if it was to be kept.
    pub stderr: String,
    /// What `uname -r` says inside.
    pub kernel_release: String,
    /// How the processors were run.
    pub accelerator: Accelerator,
    /// From QEMU's start to the command's.
    pub boot: Duration,
}

/// Boots the machine and runs the command. An error means that the machine failed (no boot, panic,
/// timeout); a command that fails is a result with its exit code.
pub fn run(spec: &VmSpec) -> Result<VmResult> {
    run_with(spec, Accelerator::of_this_machine()?)
}

/// Somebody pressed Ctrl-C while the VM ran.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl Error for Interrupted {}

/// `weir` and `weir-lab`, built from this tree, as files for a [`VmSpec`].
pub fn weir_programs(profile: Profile) -> Result<Vec<(PathBuf, String)>> {
    build::build_object()?;
    let built = build::host_binaries(profile)?;
    Ok(built.into_iter().map(|artifact| (artifact.path, format!("/usr/bin/{}", artifact.name))).collect())
}

/// Arguments of `cargo xtask vm`.
#[derive(clap::Args)]
pub struct Args {
    /// The kernel: 6.1 or 6.12.
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// Number of processors.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Memory in MB.
    #[arg(long, default_value_t = 2048)]
    memory: u32,
    /// Copy the machine's /out to this folder at the end.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Put a file or folder of the host into the machine.
    #[arg(long = "add", value_name = "HOSTPATH:VMPATH")]
    add: Vec<String>,
    /// Seconds that the command may take.
    #[arg(long, default_value_t = 1800)]
    timeout: u64,
    /// Put optimised builds of weir and weir-lab into the machine.
    #[arg(long, conflicts_with = "bare")]
    release: bool,
    /// Build nothing: boot without weir and weir-lab.
    #[arg(long)]
    bare: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs a command in the machine and ends with its exit code.
pub fn main(args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Debug };
    let mut files = if args.bare { Vec::new() } else { weir_programs(profile)? };
    for pair in &args.add {
        let (from, to) = pair.split_once(':').with_context(|| format!("--add {pair}: expected HOSTPATH:VMPATH"))?;
        files.push((PathBuf::from(from), to.to_owned()));
    }
    let result = run(&VmSpec {
        kernel: args.kernel.clone(),
        cpus: args.cpus,
        memory_mib: args.memory,
        command: args.command.clone(),
        files,
        out: args.out.clone(),
        timeout: Duration::from_secs(args.timeout),
        ..VmSpec::default()
    })?;
    Ok(ExitCode::from(u8::try_from(result.exit_code).unwrap_or(u8::MAX)))
}
