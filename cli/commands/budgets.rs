//! `hellosales budgets`: what organisations may use, and have used. A subcommand a file.

mod list;
mod set;
mod show;

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
    /// All organisations with a budget, and what is left of it
    List(list::Args),
    /// One organisation's budget, limit by limit
    Show(show::Args),
    /// Set limits of an organisation; those that aren't named stay
    Set(Box<set::Args>),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Show(args) => show::run(&args, global, output).await,
        Command::Set(args) => set::run(&args, global, output).await,
    }
}
