//! What a person types and reads: the command line of `weir`, and how its answers are shown.
//!
//! [`command`] says what can be typed. [`run`] carries out the commands that ask a running agent (`status`, `top`,
//! `explain`); [`doctor`] and [`cleanup`] show what the kernel's side found out or did.
#![forbid(unsafe_code)]

pub mod cleanup;
mod client;
pub mod command;
pub mod doctor;
mod explain;
mod output;
mod rates;
mod status;
#[cfg(test)]
mod testing;
mod top;
mod units;

use std::process::ExitCode;

pub use command::{Cli, ClientCommand, Command};

use client::Client;

/// Carries out a command that asks the node's agent. Errors are sentences for the person who typed it.
pub async fn run(command: ClientCommand) -> anyhow::Result<ExitCode> {
    match command {
        ClientCommand::Status(args) => {
            let snapshot = Client::new(&args.agent.socket)?.snapshot().await?;
            output::print(&match args.output.format {
                command::Format::Table => status::table(&snapshot, args.all),
                command::Format::Json => output::json(&snapshot)?,
            })?;
        }
        ClientCommand::Top(args) => top::run(args).await?,
        ClientCommand::Explain(args) => {
            let command::Subject::Pod { pod } = args.subject;
            let explained = Client::new(&args.agent.socket)?.explain_pod(pod).await?;
            output::print(&match args.output.format {
                command::Format::Table => explain::table(&explained),
                command::Format::Json => output::json(&explained)?,
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
