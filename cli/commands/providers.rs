//! `hellosales providers`: who makes text for us, what stands against it, and how it does. A subcommand a file.

mod list;
mod steer;
mod test;

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
    /// Breakers, limits left, error rate, p95, time to first token, cost today
    List(list::Args),
    /// Ask a provider for a word, as a worker with these settings would
    Test(test::Args),
    /// Stop calling a provider: what would, waits
    Trip(steer::TripArgs),
    /// Call it again
    Reset(steer::ResetArgs),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Test(args) => test::run(&args, global, output).await,
        Command::Trip(args) => steer::trip(&args, global, output).await,
        Command::Reset(args) => steer::reset(&args, global, output).await,
    }
}
