//! `budgets list`

use std::process::ExitCode;

use hellosales_core::OrgId;
use hellosales_core::budget::{self, Budget, Used};

use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

pub(super) static COLUMNS: &[Column<Budget>] = &[
    Column::new("org", "organisation", |budget| budget.org_name.as_ref().into()),
    Column::new("budget", "budget", |budget| words(budget).into()),
    Column::new("left", "left", |budget| budget.used.iter().map(left).collect::<Vec<_>>().join(", ").into()),
    Column::new("on_exceeded", "over it", |budget| (&budget.on_exceeded).into()),
    Column::new("updated_by", "set by", |budget| (&budget.updated_by).into()),
    Column::new("reason", "why", |budget| budget.reason.as_ref().into()),
    Column::wide("updated_at", "set", |budget| budget.updated_at.into()),
    Column::wide("org_id", "organisation's id", |budget| Cell::said(budget.org_id)),
    Column::wide("org_external_id", "in tokens", |budget| budget.org_external_id.as_ref().into()),
    Column::wide("is_default", "the settings'", |budget| budget.is_default.into()),
    Column::wide("requests_per_minute", "requests a minute", |budget| Cell::decimal_if(budget.limits.requests_per_minute)),
    Column::wide("tokens_per_minute", "tokens a minute", |budget| Cell::decimal_if(budget.limits.tokens_per_minute)),
    Column::wide("cents_per_minute", "cents a minute", |budget| Cell::decimal_if(budget.limits.cents_per_minute)),
    Column::wide("requests_per_day", "requests a day", |budget| Cell::decimal_if(budget.limits.requests_per_day)),
    Column::wide("tokens_per_day", "tokens a day", |budget| Cell::decimal_if(budget.limits.tokens_per_day)),
    Column::wide("cents_per_day", "cents a day", |budget| Cell::decimal_if(budget.limits.cents_per_day)),
    Column::wide("used", "used", |budget| serde_json::to_value(&budget.used).map_or(Cell::Empty, Cell::Json)),
];

/// `30 requests/minute, 500 cents/day`; the limits that there are.
fn words(budget: &Budget) -> String {
    if budget.used.is_empty() {
        return "none".to_owned();
    }
    let limit = |used: &Used| format!("{} {}/{}", used.limit.normalize(), used.measure, used.span);
    budget.used.iter().map(limit).collect::<Vec<_>>().join(", ")
}

fn left(used: &Used) -> String {
    used.left.normalize().to_string()
}

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// So many
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Those after these: as the last list said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let after: Option<OrgId> = args.cursor.as_deref().map(str::parse).transpose().map_err(|_| {
        Problem::new(Exit::Usage, "that is no cursor").fix("take the one that the last list said")
    })?;
    let operator = Operator::open(global).await?;
    let limit = usize::from(args.limit);
    let mut budgets = match operator.org {
        Some(org) => budget::get(&operator.db, org).await.map(|one| one.into_iter().collect()),
        None => budget::list(&operator.db, after, i64::from(args.limit) + 1).await,
    }
    .map_err(|error| operator.fault(error))?;
    let more = budgets.len() > limit;
    budgets.truncate(limit);
    let shown = list.show(&budgets)?;
    if let Some(last) = budgets.last().filter(|_| more) {
        output.say(format!("next: --cursor {}", last.org_id));
    }
    Ok(shown)
}
