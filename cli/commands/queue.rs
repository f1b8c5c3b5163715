//! `hellosales queue`: how full it is, and what stands still. A subcommand a file.

mod pause;
mod stats;

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
    /// What waits and what runs, how old the oldest is, how fast it goes
    Stats(stats::Args),
    /// Let nothing more begin of a lane, a pipeline, an organisation (--org) or a provider
    Pause(pause::PauseArgs),
    /// Let it go on
    Resume(pause::ResumeArgs),
    /// What stands still, by whom and why
    Pauses,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Stats(args) => stats::run(&args, global, output).await,
        Command::Pause(args) => pause::pause(&args, global, output).await,
        Command::Resume(args) => pause::resume(&args, global, output).await,
        Command::Pauses => pause::list(global, output).await,
    }
}
