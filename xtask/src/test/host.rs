//! Tests that run on the host, by cargo.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use super::{Args, RUNGS, Tally, Where, machine};
use crate::{paths, process};

impl Where {
    /// Runs the tests of a rung. An error means that they could not run.
    pub(super) fn run(&self, args: &Args, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Workspace => {
                let mut cargo = process::cargo("test");
                cargo.arg("--workspace");
                for package in RUNGS.iter().filter_map(|rung| rung.place.package()) {
                    cargo.args(["--exclude", package]);
                }
                run_here(&mut cargo, args, tally)
            }
            Self::Host(package) => run_here(process::cargo("test").args(["--package", package]), args, tally),
            Self::HostOrVm(package) | Self::HostOrVmWithControlPlane(package) => {
                let programs = self.programs()?;
                match why_not_here() {
                    None => {
                        let mut cargo = process::cargo("test");
                        cargo.args(["--package", package]);
                        cargo.envs(programs.iter().map(|program| (program.variable, &program.path)));
                        run_here(&mut cargo, args, tally)
                    }
                    Some(reason) => {
                        eprintln!("{reason}, so these tests run in the VM");
                        machine::run(package, &programs, args, tally)
                    }
                }
            }
            Self::Vm(package) => machine::run(package, &[], args, tally),
            Self::Node(package) => machine::run_on_a_node(package, args, tally),
        }
    }
}

/// What keeps kernel programs from being loaded on the host, if anything.
fn why_not_here() -> Option<&'static str> {
    if !geteuid().is_root() {
        Some("only root may load kernel programs on this machine")
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        Some("this machine's kernel has no BTF")
    } else {
        None
    }
}

fn run_here(cargo: &mut Command, args: &Args, tally: &mut Tally) -> Result<()> {
    cargo.current_dir(paths::workspace()).arg("--no-fail-fast").stdout(Stdio::piped());
    if let Some(filter) = &args.filter {
        cargo.arg("--").arg(filter);
    }
    let mut child = cargo.spawn().with_context(|| format!("cannot start `{}`", process::line(cargo)))?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    let failed_before = tally.failed();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("cannot read cargo's output")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(std::io::stdout(), "{line}")?;
        tally.read(&line);
    }
    let status = child.wait()?;
    if !status.success() && tally.failed() == failed_before {
        tally.fail(format!("`{}` ended without a failed test: {status}", process::line(cargo)));
    }
    Ok(())
}
