//! `bench low-rates`: what TCP gets of a low ceiling or guarantee, under Weir and under HTB, in turn.

mod cases;
mod cell;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::events::Events;
use super::measure::kernel;
use cases::Case;
use cell::Arm;

/// Which cells.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds that each cell is measured for
    #[arg(long, default_value_t = 16)]
    seconds: u64,
    /// Cells whose description contains this, such as `guarantee 2M`; all if not given
    #[arg(long)]
    only: Option<String>,
    /// The ways to shape
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Arm::Weir, Arm::Htb])]
    arms: Vec<Arm>,
}

/// Plays every cell under each arm, one arm after the other for each cell, so that a slow minute hits both alike.
pub(super) fn play(events: &Events, options: &Options) -> Result<()> {
    let mut cells = Vec::new();
    let wanted = |case: &Case| options.only.as_ref().is_none_or(|part| case.to_string().contains(part));
    for case in cases::all().into_iter().filter(wanted) {
        for &arm in &options.arms {
            if arm == Arm::Htb && case.policed {
                continue;
            }
            events.step("cell", &format!("{arm:?}, {case}"), cell::SETTLE.as_secs() + options.seconds);
            let cell = cell::play(&case, arm, options.seconds).with_context(|| format!("{arm:?}, {case}"))?;
            events.mark(&format!(
                "goodput {} kbit/s, {} drops, call p99 {:.1} ms",
                cell.goodput_kbit, cell.drops, cell.call_p99_ms
            ));
            events.emit("cell", serde_json::to_value(&cell)?);
            cells.push(cell);
        }
    }
    events.result("bench low-rates", json!({"kernel": kernel()?, "cells": cells}));
    Ok(())
}
