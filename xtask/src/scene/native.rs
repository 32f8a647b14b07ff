//! A scene on this machine itself, where its kernel has what the lab needs.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Played, Prop};
use crate::process;

/// Fails unless the lab and Weir's pacing can work here, found out in a network namespace of its own.
pub(super) fn require() -> Result<()> {
    let tries = "tc qdisc replace dev lo root fq && tc qdisc replace dev lo root netem delay 1ms";
    process::output(Command::new("unshare").args(["--net", "sh", "-c", tries])).context(
        "--native needs root and a kernel with the queueing disciplines fq and netem; \
         without --native the scene plays in a VM that has them",
    )?;
    Ok(())
}

/// Runs `weir-lab` and keeps what it prints for programs.
pub(super) fn play(lab: &Path, arguments: &[String], props: &[Prop]) -> Result<Played> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's release")?;
    let mut command = Command::new(lab);
    command.envs(props.iter().map(|prop| (prop.variable, &prop.here)));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start `{}`", process::line(&command)))?;
    let Some(exit_code) = output.status.code() else { bail!("the scene was ended by a signal: {}", output.status) };
    Ok(Played {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        exit_code,
        machine: format!("Linux {} on this machine", release.trim()),
    })
}
