//! `runs cancel`: named ones at once.

use std::process::ExitCode;

use hellosales_core::audit::Entry;
use hellosales_core::pulse::run_list::ListedRun;
use hellosales_core::queue::cancel::{self, Cancelled};
use hellosales_core::run::StatusReason;
use serde_json::json;

use crate::Global;
use crate::bulk::{self, Reason};
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::Exit;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Their ids, or the first 8 characters of them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    why: Reason,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let mut runs: Vec<ListedRun> = Vec::with_capacity(args.ids.len());
    for id in &args.ids {
        let run = super::find(&operator, id).await?;
        if !runs.iter().any(|other| other.id == run.id) {
            runs.push(run);
        }
    }
    let what = match runs.as_slice() {
        [run] => format!("Run {} ({}, {}) is stopped.", run.id, run.pipeline, run.status),
        runs => format!("{} runs are stopped.", runs.len()),
    };
    bulk::confirm(&what, args.yes, output)?;
    let mut refused = 0;
    for run in &runs {
        let how = one(&operator, run, &args.why.reason).await?;
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
