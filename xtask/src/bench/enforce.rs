//! `bench enforce`: from a label's change to the first packet that is treated by it.

use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use super::{Times, table::markdown};
use crate::scene::Place;

const TIMEOUT: Duration = Duration::from_mins(20);

/// Arguments of `cargo xtask bench enforce`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// How many changes.
    #[arg(long, default_value_t = 200)]
    count: u32,
}

#[derive(Deserialize)]
struct Figures {
    machine: String,
    enforce: Times,
}

pub(super) fn main(args: &Args) -> Result<()> {
    let arguments = ["enforce".to_owned(), "--count".to_owned(), args.count.to_string()];
    let figures = super::play(&args.place, &arguments, &[], TIMEOUT)?;
    super::tell(figures, args.json, render)
}

fn render(Figures { machine, enforce }: &Figures) -> String {
    let header = ["changes", "p50 ms", "p99 ms", "slowest ms"].map(str::to_owned);
    let times = [enforce.p50_ms, enforce.p99_ms, enforce.max_ms].map(|ms| format!("{ms:.1}"));
    let row = std::iter::once(enforce.count.to_string()).chain(times);
    format!("{machine}\n\n{}", markdown(header, [row], 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders() {
        let enforce = Times { count: 200, p50_ms: 12.34, p99_ms: 40.0, max_ms: 51.0 };
        let text = render(&Figures { machine: "Linux".to_owned(), enforce });
        assert!(text.contains("|     200 |   12.3 |   40.0 |       51.0 |"), "{text}");
    }
}
