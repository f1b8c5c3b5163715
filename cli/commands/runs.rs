//! `hellosales runs`: the runs of all organisations, or of one. A subcommand a file.

mod list;
mod retry;

use std::process::ExitCode;

use crate::Global;
use crate::output::Output;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Runs by a filter, the newest first
    List(list::Args),
    /// Put a failed one back: what is finished stands
    Retry(retry::Args),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Retry(args) => retry::run(&args, global, output).await,
    }
}
