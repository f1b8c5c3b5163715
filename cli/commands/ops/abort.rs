//! `ops abort`

use std::process::ExitCode;

use hellosales_core::id::OperationId;
use hellosales_core::operation::{self, Aborted, OperationStatus};
use hellosales_core::pulse::prefix::Noun;
use serde_json::json;

use crate::Global;
use crate::bulk::Reason;
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which, or the first characters of its id
    id: String,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let id = OperationId::from(operator.id(Noun::Operation, &args.id).await?);
    let aborted = operation::abort(&operator.db, operator.org, id, &operator.actor, Some(&args.reason.reason)).await;
    match aborted.map_err(|error| operator.fault(error))? {
        Aborted::Now | Aborted::Ended(OperationStatus::Aborted) => {}
        Aborted::Ended(status) => {
            return Err(Problem::new(Exit::WrongState, format!("the operation is {status}")).into());
        }
        Aborted::NotFound => {
            return Err(Problem::new(Exit::NothingMatched, format!("there is no operation {id}")).into());
        }
    }
    match output.format {
        Format::Table | Format::Wide | Format::Csv => output.data(format!("op {id}  aborted"))?,
        Format::Json | Format::Jsonl => output.json(&json!({"id": id, "status": "aborted"}))?,
    }
    Ok(ExitCode::SUCCESS)
}
