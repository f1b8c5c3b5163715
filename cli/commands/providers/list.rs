//! `providers list`.

use std::process::ExitCode;

use hellosales_core::pulse::providers::{self, Provider};

use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;

static COLUMNS: &[Column<Provider>] = &[
    Column::new("provider", "provider", |row| (&row.provider).into()),
    Column::new("model", "model", |row| (&row.model).into()),
    Column::new("breaker", "breaker", |row| (&row.breaker).into()),
    Column::new("until", "until", |row| row.until.or(row.paused_until).map_or(Cell::Empty, Cell::from)),
    Column::new("requests_left", "requests left", |row| Cell::said_if(row.requests_left)),
    Column::new("tokens_left", "tokens left", |row| Cell::said_if(row.tokens_left)),
    Column::new("calls", "calls 1h", |row| row.calls.into()),
    Column::new("error_rate", "errors", error_rate),
    Column::new("p95_ms", "p95", |row| Cell::ms_if(row.p95_ms)),
    Column::new("ttft_ms", "first token", |row| Cell::ms_if(row.ttft_ms)),
    Column::new("cost_today_cents", "cents today", |row| Cell::decimal(row.cost_today_cents)),
    Column::new("concurrency", "at once", |row| row.under_way.into()),
    Column::wide("failed", "failed 1h", |row| row.failed.into()),
    Column::wide("requests_per_minute", "requests/min", |row| Cell::said_if(row.requests_per_minute)),
    Column::wide("tokens_per_minute", "tokens/min", |row| Cell::said_if(row.tokens_per_minute)),
    Column::wide("paused_until", "paused until", |row| row.paused_until.map_or(Cell::Empty, Cell::from)),
    Column::wide("opened_at", "open since", |row| row.opened_at.map_or(Cell::Empty, Cell::from)),
    Column::wide("actor", "tripped by", |row| Cell::said_if(row.actor.as_ref())),
    Column::wide("reason", "reason", |row| Cell::said_if(row.reason.as_ref())),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this provider only
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let rows = providers::list(&operator.db, args.provider.as_deref()).await;
    list.show(&rows.map_err(|error| operator.fault(error))?)
}

/// Of a hundred calls of the last hour so many failed.
#[expect(clippy::cast_precision_loss, reason = "a share, for people")]
fn error_rate(row: &Provider) -> Cell {
    if row.calls == 0 {
        return Cell::Empty;
    }
    let percent = row.failed as f64 * 100.0 / row.calls as f64;
    Cell::Number((percent * 10.0).round() / 10.0)
}
