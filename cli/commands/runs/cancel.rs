//! `runs cancel`: named ones at once, those of a filter by an operation that outlives this terminal.

use std::process::ExitCode;

use hellosales_core::audit::Entry;
use hellosales_core::content::Total;
use hellosales_core::operation::create::Targets;
use hellosales_core::operation::{Kind, MAX_ITEMS, Options};
use hellosales_core::pulse::run_list::{self, ListedRun};
use hellosales_core::pulse::window::Window;
use hellosales_core::queue::cancel::{self, Cancelled};
use hellosales_core::run::StatusReason;
use serde_json::json;

use crate::Global;
use crate::bulk::{self, BulkArgs, Chosen};
use crate::commands::dlq::redrive::PatienceArgs;
use crate::commands::ops::launch::{self, Launch};
use crate::filter::{FilterArgs, Filtered};
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What a cancel can be filtered by: what has ended is past it.
const LIVE: Filtered =
    Filtered { nouns: "live runs", statuses: &["queued", "running"], lacks: &["fingerprint"], since: None };

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Their ids, or the first 8 characters of them; or a filter
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let chosen = args.bulk.choose(&args.ids, &args.filter)?;
    if args.bulk.canary.is_some() {
        return Err(Problem::new(Exit::Usage, "a cancel has no canary: what is stopped doesn't end well").into());
    }
    let operator = Operator::open(global).await?;
    match chosen {
        Chosen::Named => named(args, &operator, output).await,
        Chosen::Filtered => filtered(args, &operator, output).await,
    }
}

async fn filtered(args: &Args, operator: &Operator, output: Output) -> anyhow::Result<ExitCode> {
    let reason = if args.bulk.dry_run { "" } else { args.bulk.reason()? };
    let filter = Kind::Cancel.narrow(&args.filter.read(operator, &LIVE, output).await?);
    let limit = args.bulk.max.map_or(MAX_ITEMS, |max| i64::from(max).min(MAX_ITEMS));
    // The oldest first: what has waited longest is stopped first.
    let window = Window { ascending: true, after: None, limit };
    let ids = run_list::ids(&operator.db, &filter, window).await.map_err(|error| operator.fault(error))?;
    if ids.is_empty() {
        return Err(Problem::new(Exit::NothingMatched, "no live run is like that").into());
    }
    let total = Total::from(i64::try_from(ids.len()).unwrap_or(i64::MAX));
    let words = bulk::count(total, "run is stopped", "runs are stopped");
    let launch =
        Launch { kind: Kind::Cancel, options: &Options::default(), reason, bulk: &args.bulk };
    let targets = Targets::Runs(&ids, Some(&filter));
    launch::launch(&launch, targets, &words, (operator, args.patience.read(), output)).await
}

async fn named(args: &Args, operator: &Operator, output: Output) -> anyhow::Result<ExitCode> {
    let mut runs: Vec<ListedRun> = Vec::with_capacity(args.ids.len());
    for id in &args.ids {
        let run = super::find(operator, id).await?;
        if !runs.iter().any(|other| other.id == run.id) {
            runs.push(run);
        }
    }
    let what = match runs.as_slice() {
        [run] => format!("Run {} ({}, {}) is stopped.", run.id, run.pipeline, run.status),
        runs => format!("{} runs are stopped.", runs.len()),
    };
    if args.bulk.dry_run {
        output.say(format!("{what} Nothing was done."));
        return Ok(ExitCode::SUCCESS);
    }
    let reason = args.bulk.reason()?;
    bulk::confirm(&what, args.bulk.yes, output)?;
    let mut refused = 0;
    for run in &runs {
        let how = one(operator, run, reason).await?;
        refused += usize::from(matches!(how, Cancelled::Ended(_) | Cancelled::NotFound));
        tell(run, how, output)?;
    }
    Ok(match refused {
        0 => ExitCode::SUCCESS,
        n if n == runs.len() => Exit::WrongState.into(),
        _ => Exit::SomeFailed.into(),
    })
}

async fn one(operator: &Operator, run: &ListedRun, reason: &str) -> anyhow::Result<Cancelled> {
    let target = run.id.to_string();
    let entry = Entry {
        org_id: Some(run.org_id),
        actor: &operator.actor,
        action: "run.cancel",
        target_type: "run",
        target_id: &target,
        reason: Some(reason),
        details: json!({"status": run.status}),
    };
    let done = cancel::cancel_audited(&operator.db, run.org_id, run.id, StatusReason::Operator, Some(&entry)).await;
    let (how, wakes) = done.map_err(|error| operator.fault(error))?;
    operator.wake(wakes).await;
    Ok(how)
}

fn tell(run: &ListedRun, how: Cancelled, output: Output) -> anyhow::Result<()> {
    let (done, word) = match how {
        Cancelled::Now => (true, "cancelled".to_owned()),
        Cancelled::Before => (true, "was cancelled before".to_owned()),
        Cancelled::Ended(status) => (false, format!("has ended: {status}")),
        Cancelled::NotFound => (false, "is gone".to_owned()),
    };
    match output.format {
        Format::Json | Format::Jsonl => output.json(&json!({"run_id": run.id, "cancelled": done, "what": word}))?,
        Format::Table | Format::Wide | Format::Csv => output.data(format!("run {}: {word}", run.id))?,
    }
    Ok(())
}
