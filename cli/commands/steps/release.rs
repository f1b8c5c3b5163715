//! `steps release`: for the step that a living worker holds and doesn't let go, and for the wait that is over.

use std::process::ExitCode;

use hellosales_core::queue::release::{self, Released, Seen};

use super::One;
use crate::Global;
use crate::bulk::{self, Reason};
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    step: One,
    #[command(flatten)]
    why: Reason,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let step = args.step.find(&operator).await?;
    let name = format!("{}/{}", step.run_id, step.stage_name());
    let what = match step.status.as_str() {
        "running" => {
            format!("{name} is taken from worker {}; its provider call may be made again.", said(step.worker_id))
        }
        "delayed" => format!("{name} waits ({}) and begins now.", step.delay_reason.as_deref().unwrap_or("backoff")),
        status => {
            return Err(Problem::new(Exit::WrongState, format!("{name} is {status}"))
                .fix("only a running or a delayed step can be released")
                .into());
        }
    };
    bulk::confirm(&what, args.yes, output)?;
    let seen = Seen {
        run_id: step.run_id,
        stage: step.stage,
        org_id: step.org_id,
        status: step.status.clone(),
        lease_token: step.lease_token,
    };
    let (released, wakes) = release::release(&operator.db, &seen, &operator.actor, &args.why.reason)
        .await
        .map_err(|error| operator.fault(error))?;
    operator.wake(wakes).await;
    if released != Released::Now {
        return Err(Problem::new(Exit::WrongState, format!("{name} is not {} any more", step.status))
            .fix("look again: hellosales steps show")
            .into());
    }
    match output.format {
        Format::Json | Format::Jsonl => {
            output.json(&serde_json::json!({"run_id": step.run_id, "stage": step.stage_name(), "released": true}))?;
        }
        Format::Table | Format::Wide | Format::Csv => output.data(format!("{name}: released"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn said(worker: Option<hellosales_core::id::WorkerId>) -> String {
    worker.map_or_else(|| "unknown".to_owned(), |worker| worker.to_string())
}
