//! `hellosales dlq`: dead letters. What they share, what each says, and what is done about them, one by one or by the hundred.

mod columns;
mod decide;
mod export;
mod list;
pub(super) mod redrive;
mod show;
mod summary;
mod target;

use std::process::ExitCode;

use hellosales_core::queue::letter::Decision;

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
    /// How many share what, the most first
    Summary(summary::Args),
    /// Dead letters by a filter, the newest first
    List(list::Args),
    /// One, with every attempt
    Show(show::Args),
    /// Put their runs back: what is finished stands
    #[command(visible_alias = "retry")]
    Redrive(Box<redrive::Args>),
    /// Say that somebody looks for the cause
    Investigate(Box<decide::Args>),
    /// Close them: it is dealt with
    Resolve(Box<decide::Args>),
    /// Close them: nothing will be done
    Abandon(Box<decide::Args>),
    /// Let them wait again for somebody
    Reopen(Box<decide::Args>),
    /// Write them to a file, a line of JSON each
    Export(export::Args),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Summary(args) => summary::run(&args, global, output).await,
        Command::List(args) => list::run(&args, global, output).await,
        Command::Show(args) => show::run(&args, global, output).await,
        Command::Redrive(args) => redrive::run(&args, global, output).await,
        Command::Investigate(args) => decide::run(&args, Decision::Investigate, global, output).await,
        Command::Resolve(args) => decide::run(&args, Decision::Resolve, global, output).await,
        Command::Abandon(args) => decide::run(&args, Decision::Abandon, global, output).await,
        Command::Reopen(args) => decide::run(&args, Decision::Reopen, global, output).await,
        Command::Export(args) => export::run(&args, global, output).await,
    }
}
