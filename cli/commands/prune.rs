//! `hellosales prune`: what the janitor does each minute, now.

use std::process::ExitCode;

use hellosales_core::audit::{self, Entry};
use hellosales_core::retention::{self, Policy, Prunable};
use hellosales_worker::config::{self as worker, Settings};
use serde_json::json;

use crate::Global;
use crate::config;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

static COLUMNS: &[Column<Line>] = &[
    Column::new("table", "table", |line| line.what.as_str().into()),
    Column::new("gone", "rows", |line| line.gone.into()),
    Column::new("is_exact", "all counted", |line| line.is_exact.into()),
    Column::wide("kept_days", "kept for days", |line| Cell::said_if(line.days)),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Say what would go, and take nothing
    #[arg(long)]
    dry_run: bool,
    /// Only this: run_stream, idempotency_keys, client_import_rows, workers, email_batches, batch_items, pipeline_runs,
    /// dead_letter_queue, prompts, provider_calls, pipeline_events, client_imports or audit_log
    #[arg(long, value_name = "TABLE", value_parser = table)]
    table: Option<Prunable>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "by policy")]
    reason: String,
}

struct Line {
    what: Prunable,
    gone: i64,
    is_exact: bool,
    days: Option<i32>,
}

fn table(text: &str) -> Result<Prunable, String> {
    let all = || Prunable::ALL.iter().map(|what| what.as_str()).collect::<Vec<_>>().join(", ");
    Prunable::parse(text).map_err(|_| format!("'{text}' is not pruned; these are: {}", all()))
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let policy = worker::read_retention(&Settings::of_process()).map_err(|error| config::unusable(&error))?;
    let operator = Operator::open(global).await?;
    if operator.org.is_some() {
        return Err(Problem::new(Exit::Usage, "what is old is pruned of all organisations").into());
    }
    let mut lines = Vec::new();
    for &what in Prunable::ALL.iter().filter(|&&what| args.table.is_none_or(|only| only == what)) {
        let (gone, is_exact) = if args.dry_run {
            let total = retention::due(&operator.db, &policy, what).await.map_err(|error| operator.fault(error))?;
            (total.count, total.is_exact)
        } else {
            (prune(&operator, &policy, what, &args.reason).await?, true)
        };
        lines.push(Line { what, gone, is_exact, days: days(&policy, what) });
    }
    output.say(if args.dry_run { "would go:" } else { "gone:" });
    list.show(&lines)
}

async fn prune(operator: &Operator, policy: &Policy, what: Prunable, reason: &str) -> anyhow::Result<i64> {
    let (mut from, mut gone) = (None, 0);
    loop {
        let pruned = retention::prune(&operator.db, policy, what, from).await.map_err(|error| operator.fault(error))?;
        gone += i64::try_from(pruned.gone).unwrap_or(i64::MAX);
        from = pruned.next;
        if from.is_none() {
            break;
        }
    }
    if gone > 0 {
        let entry = Entry {
            org_id: None,
            actor: &operator.actor,
            action: "retention.prune",
            target_type: "table",
            target_id: what.as_str(),
            reason: Some(reason),
            details: json!({"gone": gone, "kept_days": days(policy, what)}),
        };
        let mut tx = operator.db.begin().await.map_err(|error| operator.fault(error))?;
        audit::record(tx.connection(), &entry).await.map_err(|error| operator.fault(error))?;
        tx.commit().await.map_err(|error| operator.fault(error))?;
    }
    Ok(gone)
}

const fn days(policy: &Policy, what: Prunable) -> Option<i32> {
    match what {
        Prunable::Stream | Prunable::IdempotencyKeys | Prunable::ImportRows | Prunable::Workers => None,
        Prunable::Batches | Prunable::BatchItems | Prunable::Runs | Prunable::ProviderCalls | Prunable::Imports => {
            Some(policy.runs_days)
        }
        Prunable::Prompts => Some(policy.prompts_days),
        Prunable::DeadLetters => Some(policy.dead_letters_days),
        Prunable::Events => Some(policy.events_days),
        Prunable::AuditLog => Some(policy.audit_days),
    }
}
