//! `cargo xtask test`: the ladder of tests. Each rung runs where it can; one that cannot run says why and fails.

mod host;
mod machine;
mod programs;
mod rungs;
mod tally;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

pub use self::rungs::{RUNGS, Rung, Where};
pub use self::tally::Tally;
use crate::build;
use crate::tools::kernel::Kernel;

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Run this rung only, with every test on every kernel; may be given several times.
    #[arg(long = "rung", value_name = "RUNG")]
    rungs: Vec<String>,
    /// Run every rung, including those that only a nightly build runs by default, and every test on every kernel.
    #[arg(long, conflicts_with = "rungs")]
    all: bool,
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

    /// Returns whether no test may be left out: all are asked for, or a rung, a kernel or a test.
    fn is_whole(&self) -> bool {
        self.all || !self.rungs.is_empty() || self.kernel.is_some() || self.filter.is_some()
    }

    /// Returns the options that leave out what a rung leaves out on an older kernel, or on all of them.
    fn left_out_on(&self, kernel: &str, alike: &[&str], nightly: &[&str]) -> Vec<String> {
        if self.is_whole() {
            return Vec::new();
        }
        let alike = if Kernel::SERIES.last() == Some(&kernel) { &[] } else { alike };
        alike.iter().chain(nightly).flat_map(|tests| ["--skip".to_owned(), (*tests).to_owned()]).collect()
    }
}

/// Runs the rungs and prints the sum. The last line is always `N passed, N failed`.
pub fn main(args: &Args) -> Result<ExitCode> {
    let (chosen, left_out) = choose(&args.rungs, args.all)?;
    build::build_object()?;
    let mut results = Vec::new();
    for rung in chosen {
        eprintln!("\n== rung {}: {}", rung.name, rung.says);
        let mut tally = Tally::default();
        let start = Instant::now();
        if let Err(error) = rung.place.run(args, &mut tally) {
            tally.fail(format!("{error:#}"));
        }
        if tally.is_empty() && args.filter.is_none() {
            tally.fail("no test ran".to_owned());
        }
        results.push((rung.name, start.elapsed().as_secs(), tally));
    }
    let omitted = omission(args, &left_out);
    Ok(report(&results, omitted.as_deref()))
}

/// Returns the rungs to run, and the nightly rungs that are left out because neither `--all` nor a name asks for them.
fn choose(names: &[String], all: bool) -> Result<(Vec<&'static Rung>, Vec<&'static Rung>)> {
    for name in names {
        if !RUNGS.iter().any(|rung| rung.name == name) {
            let known: Vec<_> = RUNGS.iter().map(|rung| rung.name).collect();
            bail!("no rung is called {name}: there are {}", known.join(", "));
        }
    }
    if names.is_empty() {
        return Ok(RUNGS.iter().partition(|rung| all || rung.nightly.is_none()));
    }
    Ok((RUNGS.iter().filter(|rung| names.iter().any(|name| name == rung.name)).collect(), Vec::new()))
}

/// Returns one line that names the nightly rungs and tests that were left out, or none if nothing was.
fn omission(args: &Args, left_out: &[&Rung]) -> Option<String> {
    let rungs = left_out.iter().map(|rung| format!("{} ({})", rung.name, rung.nightly.unwrap_or_default()));
    let in_part = if args.is_whole() { &[] } else { RUNGS };
    let tests = in_part.iter().flat_map(|rung| rung.place.nightly().iter().map(|tests| (rung.name, tests)));
    let tests = tests.map(|(rung, tests)| format!("{rung} {tests} (nightly)"));
    let names: Vec<_> = rungs.chain(tests).collect();
    (!names.is_empty()).then(|| format!("left out: {}; --all or --rung NAME runs them", names.join(", ")))
}

/// Prints each rung's name, its seconds with those of its build, and its counts; then the sum.
fn report(results: &[(&str, u64, Tally)], omitted: Option<&str>) -> ExitCode {
    println!("\n{:<10} {:>7} {:>7} {:>7} {:>8}", "rung", "seconds", "passed", "failed", "ignored");
    let mut sum = Tally::default();
    for (name, seconds, tally) in results {
        let (passed, failed, ignored) = (tally.passed(), tally.failed(), tally.ignored());
        println!("{name:<10} {seconds:>7} {passed:>7} {failed:>7} {ignored:>8}");
        for note in tally.notes() {
            println!("           {}", note.replace('\n', "\n           "));
        }
        sum.add(tally);
    }
    if sum.is_empty() {
        println!("no test has a name like that");
        sum.fail(String::new());
    }
    if let Some(line) = omitted {
        println!("{line}");
    }
    println!("{} passed, {} failed", sum.passed(), sum.failed());
    if sum.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::{Args, Rung, choose, omission};

    fn args(all: bool, kernel: Option<&str>) -> Args {
        Args { rungs: Vec::new(), all, kernel: kernel.map(str::to_owned), filter: None }
    }

    #[test]
    fn a_run_of_everything_leaves_out_what_is_alike_and_what_is_nightly() {
        let left_out = |args: &Args, kernel| args.left_out_on(kernel, &["routes::", "sharing::"], &["scale::"]);
        let default = args(false, None);
        assert_eq!(left_out(&default, "6.1"), ["--skip", "routes::", "--skip", "sharing::", "--skip", "scale::"]);
        assert_eq!(left_out(&default, "6.12"), ["--skip", "scale::"]);
        let named = Args { rungs: vec!["kernel".to_owned()], ..args(false, None) };
        for args in [args(true, None), args(false, Some("6.1")), named] {
            assert!(left_out(&args, "6.1").is_empty());
        }
    }

    fn names(rungs: &[&Rung]) -> Vec<&'static str> {
        rungs.iter().map(|rung| rung.name).collect()
    }

    #[test]
    fn rungs_by_name() {
        let chosen = |chosen: &[&str]| -> Vec<_> {
            let chosen: Vec<_> = chosen.iter().map(|&name| name.to_owned()).collect();
            names(&choose(&chosen, false).unwrap().0)
        };
        assert_eq!(chosen(&["kernel", "unit"]), ["unit", "kernel"]);
        assert_eq!(chosen(&["cilium"]), ["cilium"]);
        let error = choose(&["unti".to_owned()], false).err().unwrap().to_string();
        assert!(error.contains("unti") && error.contains("unit"), "{error}");
    }

    #[test]
    fn what_is_left_out_is_named_in_one_line() {
        let (chosen, left_out) = choose(&[], false).unwrap();
        assert_eq!(names(&left_out), ["cilium"]);
        assert_eq!(chosen.len() + left_out.len(), super::RUNGS.len());
        let line = omission(&args(false, None), &left_out).unwrap();
        for part in ["cilium (nightly: ", "kernel scale:: (nightly)", "e2e restarts:: (nightly)", "--all"] {
            assert!(line.contains(part) && !line.contains('\n'), "{line}");
        }
        // A kernel that is asked for runs every test of the rungs, and still not every rung.
        let line = omission(&args(false, Some("6.1")), &left_out).unwrap();
        assert!(line.contains("cilium (nightly: ") && !line.contains("scale::"), "{line}");
        let (chosen, left_out) = choose(&[], true).unwrap();
        assert_eq!(chosen.len(), super::RUNGS.len());
        assert_eq!(omission(&args(true, None), &left_out), None);
    }
}
