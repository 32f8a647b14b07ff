//! `weir-lab`: the traffic tools by themselves, and the scenes that the demo and the benchmarks play.
//!
//! Scenes print one JSON event a line on standard output and their progress on standard error.
#![forbid(unsafe_code)]

mod scenes;
mod tools;

use clap::{Parser, Subcommand};

/// Traffic tools and scenes in a network of namespaces.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Tool(tools::Tool),
    #[command(flatten)]
    Scene(scenes::Scene),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Tool(tool) => tool.run(),
        Command::Scene(scene) => scene.play(),
    }
}
