//! What the programs cost, by `BPF_PROG_TEST_RUN`, less what an empty program costs in the same way.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use weir::datapath::test_run;

use super::cases::{self, Case, Mode};
use super::fixture::{Fixture, ROOM_PACKETS};
use super::median::{median, tenths};

/// Runs of one repeated measurement: some milliseconds.
const REPEAT: u32 = 50_000;
/// Packets of one measurement of packets that come once.
const CALLS: u32 = 4_000;

/// One way through one program.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    program: &'static str,
    case: &'static str,
    ns: f64,
}

/// Measures every case in every round, so that noise hits all alike, and takes the medians.
pub(crate) fn measure(rounds: u32) -> Result<Vec<Cost>> {
    let (mut configured, mut empty) = (Fixture::configured()?, Fixture::empty()?);
    let cases = cases::all();
    let mut series = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        for (case, series) in cases.iter().zip(&mut series) {
            let fixture = if case.configured { &mut configured } else { &mut empty };
            let before = fixture.exits(case.program, case.exit)?;
            let (ns, packets) = one_round(fixture, case).with_context(|| name(case))?;
            if round == 0 {
                let left = fixture.exits(case.program, case.exit)? - before;
                // The first packet over a ceiling leaves at once, and those after it wait, unmarked.
                let others = if case.is_over_a_ceiling() { 1 + u64::from(ROOM_PACKETS) } else { 0 };
                ensure!(left + others >= packets, "{}: {left} of {packets} packets went this way", name(case));
            }
            series.push(ns);
        }
    }
    let medians: Vec<f64> = series.into_iter().map(median).collect();
    let own = |case: &str| {
        let found = cases.iter().position(|other| other.name == case && other.mode == Mode::Repeated);
        found.map(|index| medians[index]).with_context(|| format!("no case {case}"))
    };
    let cost = |(case, median): (&Case, &f64)| {
        let below = if let Mode::OnceOver(case) = case.mode { own(case)? } else { 0.0 };
        Ok(Cost { program: case.program.name(), case: case.name, ns: tenths(median + below) })
    };
    cases.iter().zip(&medians).map(cost).collect()
}

fn name(case: &Case) -> String {
    format!("{}, {}", case.program.name(), case.name)
}

/// A case's cost in this round, less the empty program's or the case's below it; and how many packets it took.
fn one_round(fixture: &mut Fixture, case: &Case) -> Result<(f64, u64)> {
    match case.mode {
        Mode::Repeated => {
            let input = test_run::Input { repeat: REPEAT, ..input(case) };
            let none = f64::from(test_run::run(fixture.datapath.test_program("empty")?, &input)?.duration_ns);
            let all = f64::from(run(fixture, case, &input)?);
            Ok((all - none, u64::from(REPEAT)))
        }
        Mode::OnceOver(below) => {
            let cases = cases::all();
            let below = cases.iter().find(|other| other.name == below).context("no such case below")?;
            let (mut with, mut without) = (Vec::new(), Vec::new());
            for _ in 0..CALLS {
                without.push(f64::from(run(fixture, below, &input(below))?));
                with.push(f64::from(run(fixture, case, &input(case))?));
            }
            Ok((mean_of_middle(with) - mean_of_middle(without), u64::from(CALLS)))
        }
    }
}

/// Runs the case's program and gives the mean duration in ns.
fn run(fixture: &mut Fixture, case: &Case, input: &test_run::Input) -> Result<u32> {
    Ok(test_run::run(fixture.datapath.program(case.program)?, input)?.duration_ns)
}

fn input(case: &Case) -> test_run::Input {
    test_run::Input { frame: case.frame.clone(), ingress_ifindex: case.ingress(), repeat: 1, ..Default::default() }
}

/// The mean without the slowest and the fastest tenth: finer than the clock's whole nanoseconds, deaf to interrupts.
fn mean_of_middle(mut durations: Vec<f64>) -> f64 {
    durations.sort_by(f64::total_cmp);
    let tenth = durations.len() / 10;
    let middle = &durations[tenth..durations.len() - tenth];
    #[allow(clippy::cast_precision_loss)] // thousands
    let count = middle.len() as f64;
    middle.iter().sum::<f64>() / count
}
