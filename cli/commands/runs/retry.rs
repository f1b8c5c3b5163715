//! `runs retry`: a failed run is put back.

use std::process::ExitCode;

use hellosales_core::RunId;
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::queue::redrive::{Model, Redrive, Start};

use crate::Global;
use crate::bulk::Reason;
use crate::commands::dlq::redrive::{HowArgs, put_back, stage_timeout_ms, tell};
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which, or the first characters of its id
    id: String,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let run = RunId::from(operator.id(Noun::Run, &args.id).await?);
    let org = hellosales_core::pulse::standing::organization(&operator.db, run)
        .await
        .map_err(|error| operator.fault(error))?
        .ok_or_else(|| Problem::new(Exit::NothingMatched, format!("there is no run {run}")))?;
    let how = Redrive {
        reason: Some(&args.reason.reason),
        from: args.how.from.unwrap_or(Start::Failed),
        model: args.how.set.as_deref().map_or(Model::Usual, Model::This),
        stage_timeout_ms: stage_timeout_ms(),
        ..Redrive::new(&operator.actor)
    };
    let generation = put_back(&operator, org, run, &how).await?;
    tell(run, generation, "queued", output)?;
    Ok(ExitCode::SUCCESS)
}
