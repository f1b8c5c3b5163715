//! `runs list`

use std::process::ExitCode;

use hellosales_core::pulse::run_list::{self, ListedRun, STATUSES};

use crate::Global;
use crate::filter::{FilterArgs, Filtered};
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::paging::PageArgs;

/// What runs can be filtered by.
pub(super) const RUNS: Filtered =
    Filtered { nouns: "runs", statuses: &STATUSES, lacks: &["fingerprint"], since: Some("7d") };

pub(super) static COLUMNS: &[Column<ListedRun>] = &[
    Column::new("id", "id", |run| Cell::said(run.id)),
    Column::new("pipeline", "pipeline", |run| format!("{}@{}", run.pipeline, run.pipeline_version).into()),
    Column::new("status", "status", |run| (&run.status).into()),
    Column::new("stage", "stage", |run| run.stage.as_ref().into()),
    Column::new("error_code", "error", |run| run.error_code.as_ref().into()),
    Column::new("cost_cents", "cents", |run| Cell::decimal(run.cost_cents)),
    Column::new("total_ms", "took", |run| Cell::ms_if(run.total_ms)),
    Column::new("org", "organisation", |run| run.org.as_ref().into()),
    Column::new("created_at", "created", |run| run.created_at.into()),
    Column::wide("step_status", "step", |run| run.step_status.as_ref().into()),
    Column::wide("status_reason", "reason", |run| run.status_reason.as_ref().into()),
    Column::wide("generation", "generation", |run| run.generation.into()),
    Column::wide("lane", "lane", |run| (&run.lane).into()),
    Column::wide("quality_mode", "quality", |run| (&run.quality_mode).into()),
    Column::wide("provider", "provider", |run| run.provider.as_ref().into()),
    Column::wide("model", "model", |run| run.model_id.as_ref().into()),
    Column::wide("tokens_in", "tokens in", |run| run.tokens_in.into()),
    Column::wide("tokens_out", "tokens out", |run| run.tokens_out.into()),
    Column::wide("batch_id", "batch", |run| Cell::said_if(run.batch_id)),
    Column::wide("session_id", "session", |run| Cell::said_if(run.session_id)),
    Column::wide("user_id", "user", |run| Cell::said_if(run.user_id)),
    Column::wide("org_id", "organisation's id", |run| Cell::said(run.org_id)),
    Column::wide("request_id", "request", |run| run.request_id.as_ref().into()),
    Column::wide("started_at", "started", |run| run.started_at.into()),
    Column::wide("completed_at", "completed", |run| run.completed_at.into()),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let page = args.page.read()?;
    let operator = Operator::open(global).await?;
    let filter = args.filter.read(&operator, &RUNS, output).await?;
    let rows = run_list::list(&operator.db, &filter, page.window()).await;
    let rows = rows.map_err(|error| operator.fault(error))?;
    let shown = list.show(page.cut(&rows))?;
    page.say_next(&rows, |run| run.id, output);
    Ok(shown)
}
