//! Tests that run on the host, by cargo.

use std::io::{BufRead, BufReader, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::Stdio;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use super::programs::Program;
use super::{Args, Tally, Where, machine};
use crate::{build, paths, process};

impl Where {
    /// Runs the tests of a rung. An error means that they could not run.
    pub(super) fn run(&self, args: &Args, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Units => {
                run_here(&["--lib", "--bins"], &[], args, tally)?;
                run_here(&["--doc"], &[], args, tally)
            }
            Self::Host(tests) => run_here(&build::named(tests), &[], args, tally),
            Self::HostOrVm(tests) | Self::HostOrVmWithControlPlane(tests) => {
                let programs = self.programs()?;
                match why_not_here() {
                    None => run_here(&build::named(tests), &programs, args, tally),
                    Some(reason) => {
                        eprintln!("{reason}, so these tests run in the VM");
                        machine::run(tests, |_| Vec::new(), &programs, args, tally)
                    }
                }
            }
            Self::Vm { tests, alike, nightly } => {
                machine::run(tests, |kernel| args.left_out_on(kernel, alike, nightly), &[], args, tally)
            }
            Self::Node { tests, nightly } => machine::run_on_a_node(tests, nightly, args, tally),
            Self::NodeWithCilium(tests) => machine::run_with_cilium(tests, args, tally),
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

fn run_here(which: &[&str], started: &[Program], args: &Args, tally: &mut Tally) -> Result<()> {
    let mut cargo = process::cargo("test");
    cargo.current_dir(paths::workspace()).args(["--workspace", "--no-fail-fast"]).args(which).stdout(Stdio::piped());
    cargo.envs(started.iter().map(|program| (program.variable, &program.path)));
    if !started.is_empty() {
        // These tests wait for other programs most of their time.
        let threads = 2 * available_parallelism().map_or(1, NonZero::get);
        cargo.env("RUST_TEST_THREADS", threads.to_string());
    }
    if let Some(filter) = &args.filter {
        cargo.arg("--").arg(filter);
    }
    let mut child = cargo.spawn().with_context(|| format!("cannot start `{}`", process::line(&cargo)))?;
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
        tally.fail(format!("`{}` ended without a failed test: {status}", process::line(&cargo)));
    }
    Ok(())
}
