//! `workers list` and `workers show`.

use std::process::ExitCode;

use hellosales_core::pulse::prefix::Noun;
use hellosales_core::pulse::workers::{self, Worker, WorkerFilter};

use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

static COLUMNS: &[Column<Worker>] = &[
    Column::new("id", "id", |worker| Cell::said(worker.id)),
    Column::new("state", "state", |worker| state(worker).into()),
    Column::new("host", "host", |worker| (&worker.host).into()),
    Column::new("pid", "pid", |worker| worker.pid.into()),
    Column::new("version", "version", |worker| (&worker.version).into()),
    Column::new("running", "running", |worker| worker.running.into()),
    Column::new("slots", "slots", |worker| worker.slots.into()),
    Column::new("oldest_ms", "oldest", |worker| Cell::ms_if(worker.oldest_ms)),
    Column::new("lease_ms", "lease", |worker| Cell::Ms(worker.lease_ms)),
    Column::new("started_at", "started", |worker| worker.started_at.into()),
    Column::wide("lease_until", "lease until", |worker| worker.lease_until.into()),
    Column::wide("draining", "draining", |worker| worker.draining.into()),
    Column::wide("stale", "stale", |worker| worker.is_stale.into()),
];

/// What list takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those whose lease has run out
    #[arg(long)]
    stale: bool,
}

/// What show takes.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Its id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let filter = WorkerFilter { stale: args.stale, ..WorkerFilter::default() };
    let rows = workers::list(&operator.db, filter).await.map_err(|error| operator.fault(error))?;
    list.show(&rows)
}

pub(super) async fn show(args: &ShowArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let id = operator.id(Noun::Worker, &args.id).await?.into();
    let filter = WorkerFilter { id: Some(id), ..WorkerFilter::default() };
    let rows = workers::list(&operator.db, filter).await.map_err(|error| operator.fault(error))?;
    // It may have ended well since its id was found.
    let worker = rows.first().ok_or_else(|| Problem::new(Exit::NothingMatched, format!("there is no worker {id}")))?;
    list.show_one(worker)?;
    Ok(ExitCode::SUCCESS)
}

/// How it is, in a word.
pub(super) const fn state(worker: &Worker) -> &'static str {
    match (worker.is_stale, worker.draining) {
        (true, _) => "stale",
        (false, true) => "draining",
        (false, false) => "beating",
    }
}
