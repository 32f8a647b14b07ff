//! Tests that run in the VM: one boot per test program and kernel, or per test, so that none inherits another's state.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::programs::Program;
use super::{Args, Tally};
use crate::build::{self, Artifact, Profile};
use crate::cluster;
use crate::process;
use crate::vm::{self, Output, VmSpec};

/// Where tests find the programs that stand for other people's.
const INTERFERENCE: &str = "/tests/interference.o";
/// The time limit of a program's tests on a Kubernetes node, which takes minutes to start where processors are emulated.
const NODE_TIMEOUT: Duration = Duration::from_mins(45);

/// Runs test programs under each kernel, with what they start at hand. `left_out` are a kernel's options that leave out
/// tests.
pub(super) fn run(
    tests: &[&str],
    left_out: impl Fn(&str) -> Vec<String>,
    started: &[Program],
    args: &Args,
    tally: &mut Tally,
) -> Result<()> {
    let programs = build::test_programs(tests)?;
    let mut common = vm::weir_programs(Profile::Debug)?;
    common.push((build::build_interference()?, INTERFERENCE.to_owned()));
    let mut environment = Vec::new();
    for Program { variable, path } in started {
        let inside = format!("/tests/{variable}");
        common.push((path.clone(), inside.clone()));
        environment.push(((*variable).to_owned(), inside));
    }
    let spec = VmSpec { environment, files: common, ..VmSpec::default() };
    for kernel in args.kernels() {
        let arguments = [args.filter.as_slice(), &left_out(kernel)].concat();
        for program in &programs {
            run_one(program, VmSpec { kernel: kernel.to_owned(), ..spec.clone() }, &arguments, tally);
        }
    }
    Ok(())
}

/// Runs test programs in the VM of a Kubernetes node, under the newest of the kernels.
pub(super) fn run_on_a_node(tests: &[&str], nightly: &[&str], args: &Args, tally: &mut Tally) -> Result<()> {
    let spec = VmSpec { timeout: NODE_TIMEOUT, ..on_newest_kernel(cluster::vm()?, args) };
    for program in &build::test_programs(tests)? {
        // Minutes pass in a test: what it is at is shown.
        let left_out = args.left_out_on(&spec.kernel, &[], nightly);
        let arguments = [&["--nocapture".to_owned()], args.filter.as_slice(), &left_out].concat();
        run_one(program, spec.clone(), &arguments, tally);
    }
    Ok(())
}

/// Runs each test in a VM of its own that is a Kubernetes node with Cilium, because each test configures Cilium in another
/// way and Cilium leaves programs and rules behind.
pub(super) fn run_with_cilium(tests: &[&str], args: &Args, tally: &mut Tally) -> Result<()> {
    let spec = VmSpec { timeout: NODE_TIMEOUT, ..on_newest_kernel(cluster::vm_with_cilium()?, args) };
    for program in &build::test_programs(tests)? {
        let chosen = |test: &String| args.filter.as_ref().is_none_or(|filter| test.contains(filter));
        for test in tests_of(program)?.into_iter().filter(chosen) {
            run_one(program, spec.clone(), &["--nocapture".to_owned(), "--exact".to_owned(), test], tally);
        }
    }
    Ok(())
}

fn on_newest_kernel(spec: VmSpec, args: &Args) -> VmSpec {
    let kernel = args.kernels().last().map_or_else(|| spec.kernel.clone(), |&kernel| kernel.to_owned());
    VmSpec { kernel, ..spec }
}

/// Returns the names of a program's tests. The program lists them on the host, whatever it needs to run them.
fn tests_of(program: &Artifact) -> Result<Vec<String>> {
    let list = process::output(Command::new(&program.path).args(["--list", "--format", "terse"]))
        .with_context(|| format!("the test program {} does not list its tests", program.name))?;
    Ok(list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Boots a VM for a test program with these arguments and counts its tests.
fn run_one(program: &Artifact, mut spec: VmSpec, arguments: &[String], tally: &mut Tally) {
    let inside = format!("/tests/{}", program.name);
    spec.files.push((program.path.clone(), inside.clone()));
    spec.environment.push(("RUST_BACKTRACE".to_owned(), "1".to_owned()));
    spec.command = vec![inside, "--test-threads=1".to_owned()];
    spec.command.extend_from_slice(arguments);
    spec.stdout = Output::ShowAndKeep;
    let (name, kernel) = (&program.name, spec.kernel.clone());
    eprintln!("\n-- {name} {} under Linux {kernel}", arguments.join(" "));
    let failed_before = tally.failed();
    match vm::run(&spec) {
        Ok(result) => {
            result.stdout.lines().for_each(|line| tally.read(line));
            if result.exit_code != 0 && tally.failed() == failed_before {
                let code = result.exit_code;
                tally.fail(format!("{name} ended with code {code} under Linux {kernel} without a failed test"));
            }
        }
        Err(error) => tally.fail(format!("{name}: {error:#}")),
    }
}
