//! Tests that run in the VM: one boot per test program and kernel, so that none inherits another's state.

use anyhow::Result;

use super::programs::Program;
use super::{Args, Tally};
use crate::build::{self, Artifact, Profile};
use crate::cluster;
use crate::vm::{self, Output, VmSpec};

/// Where tests find the programs that stand for other people's.
const INTERFERENCE: &str = "/tests/interference.o";

/// Runs test programs under each kernel, with what they start at hand.
pub(super) fn run(tests: &[&str], started: &[Program], args: &Args, tally: &mut Tally) -> Result<()> {
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
        for program in &programs {
            run_one(program, VmSpec { kernel: kernel.to_owned(), ..spec.clone() }, &[], args, tally);
        }
    }
    Ok(())
}

/// Runs test programs in the VM of a Kubernetes node, under the newest of the kernels.
pub(super) fn run_on_a_node(tests: &[&str], args: &Args, tally: &mut Tally) -> Result<()> {
    let spec = cluster::vm()?;
    let kernel = args.kernels().last().map_or(spec.kernel.clone(), |&kernel| kernel.to_owned());
    for program in &build::test_programs(tests)? {
        let spec = VmSpec { kernel: kernel.clone(), ..spec.clone() };
        // Minutes pass in a test: what it is at is shown.
        run_one(program, spec, &["--nocapture"], args, tally);
    }
    Ok(())
}

/// Boots a machine for one test program and counts its tests.
fn run_one(program: &Artifact, mut spec: VmSpec, options: &[&str], args: &Args, tally: &mut Tally) {
    let inside = format!("/tests/{}", program.name);
    spec.files.push((program.path.clone(), inside.clone()));
    spec.environment.push(("RUST_BACKTRACE".to_owned(), "1".to_owned()));
    spec.command = vec![inside, "--test-threads=1".to_owned()];
    spec.command.extend(options.iter().map(|&option| option.to_owned()));
    spec.command.extend(args.filter.clone());
    spec.stdout = Output::ShowAndKeep;
    let (name, kernel) = (&program.name, spec.kernel.clone());
    eprintln!("\n-- {name} under Linux {kernel}");
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
