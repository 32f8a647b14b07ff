//! What the demo and the benchmarks play.

mod arms;
mod cluster;
mod demo;
mod enforce;
mod events;
mod low_rates;
mod measure;
mod sampler;
mod shaping;
mod stage;
mod torrent;

use anyhow::Result;
use clap::{Args, Subcommand};

use events::Events;

/// A scene.
#[derive(Debug, Subcommand)]
pub(crate) enum Scene {
    /// A call, short requests and a torrent client share an uplink, without Weir and with it.
    Demo(Output),
    /// The same on a Kubernetes node: this machine, which has to be the VM of `cargo xtask demo --cluster`.
    Cluster {
        /// Stay when the scene is over, until killed
        #[arg(long)]
        keep: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Measure.
    #[command(subcommand)]
    Bench(Bench),
}

/// A benchmark.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A call's delay and the bulk's goodput under each way to shape.
    Shaping {
        #[command(flatten)]
        grid: shaping::Grid,
        #[command(flatten)]
        output: Output,
    },
    /// A call's delay and the goodput of a real torrent client under each way to shape.
    Torrent {
        #[command(flatten)]
        grid: torrent::Grid,
        #[command(flatten)]
        output: Output,
    },
    /// From a label's change to the first packet that is treated by it.
    Enforce {
        /// How many changes
        #[arg(long, default_value_t = 200)]
        count: usize,
        #[command(flatten)]
        output: Output,
    },
    /// What TCP gets of low ceilings and guarantees.
    LowRates {
        #[command(flatten)]
        options: low_rates::Options,
        #[command(flatten)]
        output: Output,
    },
}

/// What goes to standard output.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print every event as a line of JSON, not the result alone
    #[arg(long)]
    json_events: bool,
}

impl Scene {
    /// Plays the scene to its end.
    pub(crate) fn play(self) -> Result<()> {
        match self {
            Self::Demo(output) => demo::play(&Events::new(output.json_events)),
            Self::Cluster { keep, output } => cluster::play(&Events::new(output.json_events), keep),
            Self::Bench(Bench::Shaping { grid, output }) => shaping::play(&Events::new(output.json_events), &grid),
            Self::Bench(Bench::Torrent { grid, output }) => torrent::play(&Events::new(output.json_events), &grid),
            Self::Bench(Bench::Enforce { count, output }) => enforce::play(&Events::new(output.json_events), count),
            Self::Bench(Bench::LowRates { options, output }) => {
                low_rates::play(&Events::new(output.json_events), &options)
            }
        }
    }
}
