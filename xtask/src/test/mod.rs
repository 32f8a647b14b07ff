//! `cargo xtask test`: the ladder of tests. Each rung runs where it can; one that cannot run says why and fails.

mod host;
mod machine;
mod programs;
mod rungs;
mod tally;

use std::process::ExitCode;

use anyhow::{Result, bail};

pub use self::rungs::{RUNGS, Rung, Where};
pub use self::tally::Tally;
use crate::build;
use crate::tools::kernel::Kernel;

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Run this rung only; may be given several times.
    #[arg(long = "rung", value_name = "RUNG")]
    rungs: Vec<String>,
    /// Run VM tests under this kernel only (6.1 or 6.12); default: all.
    #[arg(long)]
    kernel: Option<String>,
    /// Run tests whose names contain this.
    filter: Option<String>,
}

impl Args {
    fn kernels(&self) -> Vec<&str> {
        match &self.kernel {
            Some(kernel) => vec![kernel],
            None => Kernel::SERIES.to_vec(),
        }
    }
}

/// Runs the rungs and prints the sum. The last line is always `N passed, N failed`.
pub fn main(args: &Args) -> Result<ExitCode> {
    let chosen = choose(&args.rungs)?;
    build::build_object()?;
    let mut results = Vec::new();
    for rung in chosen {
        eprintln!("\n== rung {}: {}", rung.name, rung.says);
        let mut tally = Tally::default();
        if let Err(error) = rung.place.run(args, &mut tally) {
            tally.fail(format!("{error:#}"));
        }
        if tally.is_empty() && args.filter.is_none() {
            tally.fail("no test ran".to_owned());
        }
        results.push((rung.name, tally));
    }
    Ok(report(&results))
}

fn choose(names: &[String]) -> Result<Vec<&'static Rung>> {
    for name in names {
        if !RUNGS.iter().any(|rung| rung.name == name) {
            let known: Vec<_> = RUNGS.iter().map(|rung| rung.name).collect();
            bail!("no rung is called {name}: there are {}", known.join(", "));
        }
    }
    Ok(RUNGS.iter().filter(|rung| names.is_empty() || names.iter().any(|name| name == rung.name)).collect())
}

fn report(results: &[(&str, Tally)]) -> ExitCode {
    println!("\n{:<10} {:>7} {:>7} {:>8}", "rung", "passed", "failed", "ignored");
    let mut sum = Tally::default();
    for (name, tally) in results {
        println!("{name:<10} {:>7} {:>7} {:>8}", tally.passed(), tally.failed(), tally.ignored());
        for note in tally.notes() {
            println!("           {}", note.replace('\n', "\n           "));
        }
        sum.add(tally);
    }
    if sum.is_empty() {
        println!("no test has a name like that");
        sum.fail(String::new());
    }
    println!("{} passed, {} failed", sum.passed(), sum.failed());
    if sum.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn rungs_by_name() {
        let names = |chosen: &[&str]| -> Vec<_> {
            let chosen: Vec<_> = chosen.iter().map(|&name| name.to_owned()).collect();
            choose(&chosen).unwrap().iter().map(|rung| rung.name).collect()
        };
        assert_eq!(names(&["kernel", "unit"]), ["unit", "kernel"]);
        assert_eq!(names(&[]).len(), super::RUNGS.len());
        let error = choose(&["unti".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("unti") && error.contains("unit"), "{error}");
    }
}
