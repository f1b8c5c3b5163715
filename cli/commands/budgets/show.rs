//! `budgets show`

use std::process::ExitCode;

use hellosales_core::budget::{self, Used};

use super::list::COLUMNS;
use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

static LIMITS: &[Column<Used>] = &[
    Column::new("measure", "of", |used| used.measure.as_str().into()),
    Column::new("span", "a", |used| used.span.as_str().into()),
    Column::new("limit", "limit", |used| Cell::decimal(used.limit)),
    Column::new("used", "used", |used| Cell::decimal(used.used)),
    Column::new("reserved", "held by calls", |used| Cell::decimal(used.reserved)),
    Column::new("left", "left", |used| Cell::decimal(used.left)),
    Column::new("turns_at", "whole again", |used| used.turns_at.into()),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A slug, a name, an id or its first 8 characters
    #[arg(value_name = "ORG")]
    organization: String,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let org = operator.organization(&args.organization).await?;
    let budget = budget::get(&operator.db, org).await.map_err(|error| operator.fault(error))?;
    let budget = budget.ok_or_else(|| {
        Problem::new(Exit::NothingMatched, format!("{} has no budget: it may use any amount", args.organization))
            .fix(format!("hellosales budgets set {org} --cents-per-day N --reason TEXT"))
    })?;
    list.show_one(&budget)?;
    if matches!(output.format, Format::Table | Format::Wide) && !budget.used.is_empty() && global.columns.is_empty() {
        output.data("")?;
        List::plain(LIMITS, output).show(&budget.used)?;
    }
    Ok(ExitCode::SUCCESS)
}
