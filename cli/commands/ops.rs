//! `hellosales ops`: what is done to many at once. Each is a row that outlives the terminal which began it.

mod abort;
pub(super) mod follow;
pub(super) mod launch;
mod list;
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
    /// Operations, the newest first
    List(list::Args),
    /// One, with what was refused or failed again
    Show(show::Args),
    /// Look on until one has ended, and the runs that it redrove
    Watch(follow::Args),
    /// Stop one: what is done stands
    Abort(abort::Args),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Show(args) => show::run(&args, global, output).await,
        Command::Watch(args) => follow::watch(&args, global, output).await,
        Command::Abort(args) => abort::run(&args, global, output).await,
    }
}
