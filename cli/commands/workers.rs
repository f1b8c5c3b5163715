//! `hellosales workers`: who executes steps.

mod drain;
mod list;

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
    /// The workers, the newest first
    List(list::Args),
    /// One worker
    Show(list::ShowArgs),
    /// Take nothing more, and end what runs
    Drain(drain::Args),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Show(args) => list::show(&args, global, output).await,
        Command::Drain(args) => drain::run(&args, global, output).await,
    }
}
