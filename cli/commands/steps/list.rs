//! `steps list` and `steps show`.

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::pulse::run_list::STATUSES;
use hellosales_core::pulse::step_list::{self, ListedStep, StepFilter};

use super::One;
use crate::Global;
use crate::duration;
use crate::filter::{FilterArgs, Filtered};
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::paging::PageArgs;

const STATES: [&str; 7] = ["ready", "running", "delayed", "held", "dead", "completed", "skipped"];
const STEPS: Filtered = Filtered { nouns: "runs of steps", statuses: &STATUSES, lacks: &["fingerprint"], since: None };

static COLUMNS: &[Column<ListedStep>] = &[
    Column::new("run_id", "run", |step| Cell::said(step.run_id)),
    Column::new("stage", "stage", |step| step.stage_name().into()),
    Column::new("state", "state", |step| (&step.status).into()),
    Column::new("why", "why", |step| step.held_by.as_ref().or(step.delay_reason.as_ref()).into()),
    Column::new("age_ms", "for", |step| Cell::Ms(step.age_ms)),
    Column::new("failures", "failures", |step| i32::from(step.failures).into()),
    Column::new("crashes", "crashes", |step| i32::from(step.crashes).into()),
    Column::new("error_code", "error", |step| step.error_code().map(str::to_owned).into()),
    Column::new("lane", "lane", |step| (&step.lane).into()),
    Column::new("org", "organisation", |step| step.org.as_ref().into()),
    Column::wide("kind", "kind", |step| (&step.kind).into()),
    Column::wide("run_status", "run's status", |step| (&step.run_status).into()),
    Column::wide("snoozes", "snoozes", |step| step.snoozes.into()),
    Column::wide("max_attempts", "max attempts", |step| i32::from(step.max_attempts).into()),
    Column::wide("timeout_ms", "timeout", |step| Cell::Ms(step.timeout_ms.into())),
    Column::wide("worker_id", "worker", |step| Cell::said_if(step.worker_id)),
    Column::wide("claimed_at", "claimed", |step| step.claimed_at.into()),
    Column::wide("must_end_by", "must end by", |step| step.must_end_by.into()),
    Column::wide("available_at", "again at", |step| step.available_at.into()),
    Column::wide("deadline_at", "deadline", |step| step.deadline_at.into()),
    Column::wide("batch_id", "batch", |step| Cell::said_if(step.batch_id)),
    Column::wide("org_id", "organisation's id", |step| Cell::said(step.org_id)),
    Column::wide("error", "error in full", |step| step.error.clone().map_or(Cell::Empty, Cell::Json)),
];

/// What list takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// That stand so; several with commas
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = STATES)]
    state: Vec<String>,
    /// That have stood so for at least this long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<Duration>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let (page, stage) = args.page.read_steps()?;
    let operator = Operator::open(global).await?;
    let filter = args.filter.read(&operator, &STEPS, output).await?;
    let window = page.window();
    let steps = StepFilter {
        states: args.state.clone(),
        older_than_ms: args.older_than.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
        after: window.after.map(|run| (run.into(), stage.unwrap_or(if window.ascending { i16::MAX } else { -1 }))),
        ascending: window.ascending,
    };
    let rows = step_list::list(&operator.db, &filter, &steps, window.limit).await;
    let rows = rows.map_err(|error| operator.fault(error))?;
    let shown = list.show(page.cut(&rows))?;
    page.say_next(&rows, |step| format!("{}:{}", step.run_id, step.stage), output);
    Ok(shown)
}

pub(super) async fn show(args: &One, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    list.show_one(&args.find(&operator).await?)?;
    Ok(ExitCode::SUCCESS)
}
