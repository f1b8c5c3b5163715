//! What a batch is told: approve, sample, pause, resume, cancel, retry-failed.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{order, show, watch};
use crate::Global;
use crate::caller::Caller;
use crate::client::{Api, Batch};
use crate::output::{Format, Output, Paint};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Approve,
    Sample,
    Pause,
    Resume,
    Cancel,
    RetryFailed,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Sample => "sample",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::RetryFailed => "retry-failed",
        }
    }
}

/// What they take.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
    /// Follow it then
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    caller: Caller,
}

/// What sample takes.
#[derive(Debug, clap::Args)]
pub(super) struct SampleArgs {
    /// What is to be said instead; @FILE reads it from a file
    #[arg(long, value_name = "TEXT|@FILE")]
    instructions: Option<String>,
    #[command(flatten)]
    args: Args,
}

/// What resume takes.
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    /// Never spend more, in cents: instead of what it was
    #[arg(long, value_name = "CENTS")]
    max_cost: Option<f64>,
    #[command(flatten)]
    args: Args,
}

pub(super) async fn run(args: Args, verb: Verb, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let id = api.batch_id(&args.id).await?;
    tell(&api, id, verb, args.watch, output).await
}

pub(super) async fn sample(args: SampleArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let change = match args.instructions {
        Some(given) => Some(json!({"instructions": order::text(&given)?})),
        None => None,
    };
    change_and_tell(args.args, change, Verb::Sample, global, output).await
}

pub(super) async fn resume(args: ResumeArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let change = args.max_cost.map(|max| json!({"max_cost_cents": max}));
    change_and_tell(args.args, change, Verb::Resume, global, output).await
}

async fn change_and_tell(
    args: Args,
    change: Option<Value>,
    verb: Verb,
    global: &Global,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let id = api.batch_id(&args.id).await?;
    if let Some(change) = change {
        api.change_batch(id, &change).await?;
    }
    tell(&api, id, verb, args.watch, output).await
}

async fn tell(api: &Api, id: Uuid, verb: Verb, watch: bool, output: Output) -> anyhow::Result<ExitCode> {
    let answer = api.steer_batch(id, verb.as_str()).await?;
    let batch = Batch::deserialize(&answer)?;
    match output.format {
        Format::Table | Format::Wide | Format::Csv => output.data(format!("batch {id}: {}", show::line(&batch)))?,
        Format::Json | Format::Jsonl => output.json(&answer)?,
    }
    if watch {
        return watch::run(api, id, output).await;
    }
    if let Some(next) = show::next(&batch) {
        output.say(output.paint(Paint::Dim, &next));
    }
    Ok(ExitCode::SUCCESS)
}
