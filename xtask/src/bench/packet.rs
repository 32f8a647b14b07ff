//! `bench packet`: what each program costs per packet, beside what two-level HTB adds.

use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::{here, table::markdown};
use crate::build;

/// Arguments of `cargo xtask bench packet`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// How often everything is measured; the median counts.
    #[arg(long)]
    rounds: Option<u32>,
}

#[derive(Deserialize)]
struct Figures {
    kernel: String,
    htb_added_ns: f64,
    programs: Vec<Cost>,
}

/// One way through a program.
#[derive(Deserialize)]
struct Cost {
    program: String,
    case: String,
    ns: f64,
}

pub(super) fn main(args: &Args) -> Result<()> {
    eprintln!("building the kernel programs and the benchmark");
    build::build_object()?;
    let mut command = Command::new(here::program("weir-load-tests", "packet-bench")?);
    if let Some(rounds) = args.rounds {
        command.args(["--rounds", &rounds.to_string()]);
    }
    super::tell(here::run(&mut command)?, args.json, render)
}

fn render(figures: &Figures) -> String {
    let header = ["program", "case", "ns per packet", "share of HTB"].map(str::to_owned);
    let share = |ns: f64| format!("{:.0} %", ns / figures.htb_added_ns * 100.0);
    let programs = figures
        .programs
        .iter()
        .map(|cost| [cost.program.clone(), cost.case.clone(), format!("{:.1}", cost.ns), share(cost.ns)]);
    let htb = [
        "two-level HTB".to_owned(),
        "adds".to_owned(),
        format!("{:.1}", figures.htb_added_ns),
        share(figures.htb_added_ns),
    ];
    format!("Linux {}\n\n{}", figures.kernel, markdown(header, programs.chain([htb]), 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cost_stands_beside_htb() {
        let cost = Cost { program: "pod_tx".to_owned(), case: "counted".to_owned(), ns: 12.0 };
        let text = render(&Figures { kernel: "6.18".to_owned(), htb_added_ns: 240.0, programs: vec![cost] });
        assert!(text.contains("12.0 |          5 %"), "{text}");
        assert!(text.contains("| two-level HTB |"), "{text}");
    }
}
