//! `ops list`

use std::process::ExitCode;

use hellosales_core::id::OperationId;
use hellosales_core::operation::read::{self, Operation};

use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::paging::PageArgs;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    page: PageArgs,
}

pub(super) static COLUMNS: &[Column<Operation>] = &[
    Column::new("id", "id", |op| Cell::said(op.id)),
    Column::new("kind", "kind", |op| (&op.kind).into()),
    Column::new("status", "status", |op| (&op.status).into()),
    Column::new("total", "total", |op| op.total.into()),
    Column::new("done", "done", |op| op.done.into()),
    Column::new("failed", "refused", |op| op.failed.into()),
    Column::new("actor", "by", |op| (&op.actor).into()),
    Column::new("reason", "reason", |op| op.reason.as_ref().into()),
    Column::new("created_at", "created", |op| op.created_at.into()),
    Column::wide("ok", "ok", |op| op.ok.into()),
    Column::wide("canary", "canary", |op| op.canary.into()),
    Column::wide("rate_per_s", "rate", |op| Cell::decimal_if(op.rate_per_s)),
    Column::wide("status_reason", "why", |op| op.status_reason.as_ref().into()),
    Column::wide("filter", "filter", |op| op.filter.clone().map_or(Cell::Empty, Cell::Json)),
    Column::wide("options", "options", |op| Cell::Json(op.options.clone())),
    Column::wide("org_id", "organisation's id", |op| Cell::said_if(op.org_id)),
    Column::wide("ended_by_actor", "ended by", |op| op.ended_by_actor.as_ref().into()),
    Column::wide("ended_at", "ended", |op| op.ended_at.into()),
];

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let page = args.page.read()?;
    let operator = Operator::open(global).await?;
    let rows = async {
        let mut tx = operator.db.begin().await?;
        read::list(&mut tx, operator.org, page.window()).await
    };
    let rows = rows.await.map_err(|error| operator.fault(error))?;
    let shown = list.show(page.cut(&rows))?;
    page.say_next(&rows, |op| OperationId::uuid(op.id), output);
    Ok(shown)
}
