//! `hellosales audit`: who did what to what, and why.

use std::process::ExitCode;

use hellosales_core::audit::{self, AuditFilter, Audited};

use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::paging::PageArgs;
use crate::problem::{Exit, Problem};
use crate::times::{self, When};

static COLUMNS: &[Column<Audited>] = &[
    Column::new("created_at", "at", |entry| entry.created_at.into()),
    Column::new("actor", "who", |entry| (&entry.actor).into()),
    Column::new("action", "what", |entry| (&entry.action).into()),
    Column::new("target_type", "to a", |entry| (&entry.target_type).into()),
    Column::new("target_id", "which", |entry| (&entry.target_id).into()),
    Column::new("reason", "why", |entry| entry.reason.as_ref().into()),
    Column::wide("details", "details", |entry| Cell::Json(entry.details.clone())),
    Column::wide("org_id", "organisation's id", |entry| Cell::said_if(entry.org_id)),
    Column::wide("id", "id", |entry| Cell::said(entry.id)),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Entries, the newest first
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Of this actor: operator:dana, user:ID
    #[arg(long, value_name = "ACTOR")]
    by: Option<String>,
    /// Of this action, or of those that begin so: dead_letter.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Done to this: a whole id, or a name
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Since then: 1h ago, or a time
    #[arg(long, value_name = "AGO|TIME", value_parser = times::parse)]
    since: Option<When>,
    #[command(flatten)]
    page: PageArgs,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let Command::List(args) = args.command;
    let list = List::new(COLUMNS, global, output)?;
    let page = args.page.read()?;
    let window = page.window();
    if window.ascending {
        return Err(Problem::new(Exit::Usage, "the audit log is read from its end: --sort -created").into());
    }
    let operator = Operator::open(global).await?;
    let since = match args.since {
        Some(since) => Some(since.at(operator.now().await?)),
        None => None,
    };
    let filter = AuditFilter {
        org_id: operator.org,
        actor: args.by,
        action_prefix: args.action,
        target_id: args.target,
        since,
        before: window.after,
    };
    let rows = audit::list(&operator.db, &filter, window.limit).await.map_err(|error| operator.fault(error))?;
    let shown = list.show(page.cut(&rows))?;
    page.say_next(&rows, |entry| entry.id, output);
    Ok(shown)
}
