//! The project's own tasks: `cargo xtask help` lists them. One folder per task.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{bench, build, demo, image, test, tools, vm};

/// Builds, boots, tests and measures Weir.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure: shaping, cost per packet, time to enforce, a large cluster.
    Bench(bench::Args),
    /// Build the kernel programs and the host binaries `weir` and `weir-lab`.
    Build(build::Args),
    /// Show what Weir does: play the scene in a virtual machine and write a report with pictures.
    Demo(demo::Args),
    /// Write a container image of Weir, an OCI archive, without a container engine.
    Image(image::Args),
    /// Run the ladder of tests: unit, fuzz, load, api, kernel, e2e; with --all also cilium.
    Test(test::Args),
    /// Fetch what building and the VM need into the user's cache folder, and list it.
    Tools(tools::Args),
    /// Run a command in a virtual machine with Weir and its tools inside.
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Bench(args) => bench::main(&args),
        Task::Build(args) => build::main(&args),
        Task::Demo(args) => demo::main(&args),
        Task::Image(args) => image::main(&args),
        Task::Test(args) => test::main(&args),
        Task::Tools(args) => tools::main(&args),
        Task::Vm(args) => vm::main(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
