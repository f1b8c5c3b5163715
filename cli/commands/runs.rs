//! `hellosales runs`: the runs of all organisations, or of one. A subcommand a file.

mod cancel;
mod list;
mod retry;
mod show;
mod watch;
mod why;

use std::process::ExitCode;

use hellosales_core::pulse::filter::Filter;
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::pulse::run_list::{self, ListedRun};
use hellosales_core::pulse::window::Window;

use crate::Global;
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Runs by a filter, the newest first
    List(Box<list::Args>),
    /// One run: how it stands, and what happened in it
    Show(show::Args),
    /// Why a run doesn't move, and what to type next
    Why(why::Args),
    /// Follow a run until it ends; Ctrl-C leaves it running
    Watch(watch::Args),
    /// Stop runs; what a chat has said so far stays
    Cancel(Box<cancel::Args>),
    /// Put a failed one back: what is finished stands
    Retry(retry::Args),
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Show(args) => show::run(&args, global, output).await,
        Command::Why(args) => why::run(&args, global, output).await,
        Command::Watch(args) => watch::run(&args, global, output).await,
        Command::Cancel(args) => cancel::run(&args, global, output).await,
        Command::Retry(args) => retry::run(&args, global, output).await,
    }
}

/// The run that is meant by an id, or by its first characters.
async fn find(operator: &Operator, text: &str) -> anyhow::Result<ListedRun> {
    let id = operator.id(Noun::Run, text).await?;
    let filter = Filter { org_id: operator.org, run_id: Some(id.into()), ..Filter::default() };
    let one = Window { ascending: true, after: None, limit: 1 };
    let rows = run_list::list(&operator.db, &filter, one).await.map_err(|error| operator.fault(error))?;
    // It may have been pruned since its id was found.
    rows.into_iter().next().ok_or_else(|| Problem::new(Exit::NothingMatched, format!("there is no run {id}")).into())
}
