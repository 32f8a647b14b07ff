//! Tests that run in the VM: one boot per test program and kernel, so that none inherits another's state.

use anyhow::{Context, Result, bail};

use super::programs::Program;
use super::{Args, Tally};
use crate::build::{self, Profile};
use crate::vm::{self, Output, VmSpec};

/// Runs a package's test programs under each kernel, with what they start at hand.
pub(super) fn run(package: &str, started: &[Program], args: &Args, tally: &mut Tally) -> Result<()> {
    let programs = build::test_binaries(package).with_context(|| format!("cannot build the tests of {package}"))?;
    if programs.is_empty() {
        bail!("{package} has no test program");
    }
    let mut common = vm::weir_programs(Profile::Debug)?;
    let mut environment = vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())];
    for Program { variable, path } in started {
        let inside = format!("/tests/{variable}");
        common.push((path.clone(), inside.clone()));
        environment.push(((*variable).to_owned(), inside));
    }
    for kernel in args.kernels() {
        for program in &programs {
            let inside = format!("/tests/{}", program.name);
            let mut files = common.clone();
            files.push((program.path.clone(), inside.clone()));
            let mut command = vec![inside, "--test-threads=1".to_owned()];
            command.extend(args.filter.clone());
            eprintln!("\n-- {} under Linux {kernel}", program.name);
            let spec = VmSpec {
                kernel: kernel.to_owned(),
                command,
                environment: environment.clone(),
                files,
                stdout: Output::ShowAndKeep,
                ..VmSpec::default()
            };
            let failed_before = tally.failed();
            match vm::run(&spec) {
                Ok(result) => {
                    result.stdout.lines().for_each(|line| tally.read(line));
                    if result.exit_code != 0 && tally.failed() == failed_before {
                        let (name, code) = (&program.name, result.exit_code);
                        tally.fail(format!("{name} ended with code {code} under Linux {kernel} without a failed test"));
                    }
                }
                Err(error) => tally.fail(format!("{}: {error:#}", program.name)),
            }
        }
    }
    Ok(())
}
