//! `hellosales batch`: one email for each client of a list.

mod create;
mod order;
mod results;
mod show;
mod steer;
mod watch;

use std::process::ExitCode;

use crate::Global;
use crate::caller::Caller;
use crate::output::Output;
use steer::Verb;

pub(in crate::commands) use create::{Estimate, ask_estimate};
pub(in crate::commands) use watch::View;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what a batch would be: how many emails, what they cost, how long it takes
    Estimate(create::EstimateArgs),
    /// Submit a batch
    Create(create::Args),
    /// The organisation's batches, newest first
    List(show::ListArgs),
    /// One batch
    Show(One),
    /// Follow a batch until it ends or waits for you; Ctrl-C leaves it running
    Watch(One),
    /// Let the rest be written, now that the sample is
    Approve(steer::Args),
    /// Write the sample again, perhaps with other instructions
    Sample(steer::SampleArgs),
    /// Let it stand still
    Pause(steer::Args),
    /// Let it go on, perhaps with more to spend
    Resume(steer::ResumeArgs),
    /// Stop it; what is written stays
    Cancel(steer::Args),
    /// Try what failed again
    RetryFailed(steer::Args),
    /// The emails, in the order of the list; also while it runs
    Results(results::Args),
}

/// One batch.
#[derive(Debug, clap::Args)]
struct One {
    /// Its id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    caller: Caller,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Estimate(args) => create::estimate(args, global, output).await,
        Command::Create(args) => create::run(args, global, output).await,
        Command::List(args) => show::list(args, global, output).await,
        Command::Show(args) => show::show(args, global, output).await,
        Command::Watch(One { id, caller }) => {
            let api = caller.connect(global)?;
            watch::run(&api, api.batch_id(&id).await?, output).await
        }
        Command::Approve(args) => steer::run(args, Verb::Approve, global, output).await,
        Command::Sample(args) => steer::sample(args, global, output).await,
        Command::Pause(args) => steer::run(args, Verb::Pause, global, output).await,
        Command::Resume(args) => steer::resume(args, global, output).await,
        Command::Cancel(args) => steer::run(args, Verb::Cancel, global, output).await,
        Command::RetryFailed(args) => steer::run(args, Verb::RetryFailed, global, output).await,
        Command::Results(args) => results::run(args, global, output).await,
    }
}
