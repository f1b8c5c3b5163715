//! `workers drain`: a worker takes nothing more, and ends what it has.

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::WorkerId;
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::queue::drain::{self, Draining};
use hellosales_core::queue::pause::Asked;
use tokio::time::{Instant, sleep};

use crate::Global;
use crate::bulk::{Reason, confirm};
use crate::duration;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

static COLUMNS: &[Column<Draining>] = &[
    Column::new("id", "id", |worker| Cell::said(worker.id)),
    Column::new("state", "state", |worker| state(worker).into()),
    Column::new("host", "host", |worker| (&worker.host).into()),
    Column::new("pid", "pid", |worker| worker.pid.into()),
    Column::new("running", "running", |worker| worker.running.into()),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids, or the first 8 characters of them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All that live now
    #[arg(long)]
    all: bool,
    /// Waits until they are empty, so long; exit 124 if they are not. They go on draining
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Don't ask: with `--all` nothing is worked on until processes are started anew
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    why: Reason,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let named = operator.ids(Noun::Worker, &args.ids).await?;
    let named: Vec<WorkerId> = named.into_iter().map(WorkerId::from).collect();
    let asked = Asked { actor: &operator.actor, reason: &args.why.reason };
    if args.all {
        confirm("All workers take nothing more, until their processes are started anew.", args.yes, output)?;
    }
    let chosen = (!args.all).then_some(named.as_slice());
    let told = drain::drain(&operator.db, chosen, asked).await.map_err(|error| operator.fault(error))?;
    let workers = if args.all { told } else { named };
    if workers.is_empty() {
        return Err(Problem::new(Exit::NothingMatched, "no worker is alive that isn't draining").into());
    }
    output.say(format!("{} drain; a process that is empty stays until it is stopped", workers.len()));
    let until = Instant::now() + args.timeout;
    loop {
        let rows = drain::progress(&operator.db, &workers).await.map_err(|error| operator.fault(error))?;
        let is_done = rows.iter().all(|worker| worker.is_empty || worker.is_gone);
        if is_done || Instant::now() >= until {
            list.show(&rows)?;
            return Ok(if is_done { ExitCode::SUCCESS } else { Exit::TimedOut.into() });
        }
        sleep(LOOK).await;
    }
}

const fn state(worker: &Draining) -> &'static str {
    match (worker.is_gone, worker.is_empty) {
        (true, _) => "gone",
        (false, true) => "drained",
        (false, false) => "draining",
    }
}
