//! `weir`: one binary, several commands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use weir_cli::command::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match command {
        Command::Agent(args) => runtime.block_on(weir::agent::run(&args)),
        Command::Client(command) => runtime.block_on(weir_cli::run(command)),
        Command::Doctor(args) => {
            weir_cli::doctor::report(&runtime.block_on(weir::doctor::examine(&args.bpffs)), args.output.format)
        }
        Command::Crds => {
            print!("{}", weir_api::objects::manifest());
            Ok(ExitCode::SUCCESS)
        }
        Command::Cleanup(args) => {
            let actions = runtime.block_on(weir::cleanup::clean(&args.bpffs, &args.state_dir))?;
            let code = weir_cli::cleanup::report(&actions, args.output.format)?;
            if args.stay {
                runtime.block_on(async { anyhow::Ok(weir::signals::told_to_end()?.await) })?;
            }
            Ok(code)
        }
    }
}
