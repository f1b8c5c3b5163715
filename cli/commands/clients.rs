//! `hellosales clients`: whom it is sold to.

mod import;

use std::process::ExitCode;

use crate::Global;
use crate::output::Output;

pub(in crate::commands) use import::Import;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Take clients from a CSV file: who is known already is brought up to date
    Import(import::Args),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Import(args) => import::run(args, global, output).await,
    }
}
