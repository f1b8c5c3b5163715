//! `batch estimate` and `batch create`.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::order::Order;
use super::{show, watch};
use crate::Global;
use crate::caller::Caller;
use crate::client::{Api, Batch};
use crate::output::{Format, Output, Paint, this_program};
use crate::problem::Exit;

/// What estimate takes.
#[derive(Debug, clap::Args)]
pub(super) struct EstimateArgs {
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    caller: Caller,
}

/// What create takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    order: Order,
    /// The same key is the same batch, however often it is sent [default: a new one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Follow it
    #[arg(long)]
    watch: bool,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    caller: Caller,
}

/// What a batch would be.
#[derive(Debug, Deserialize)]
pub(in crate::commands) struct Estimate {
    pub(in crate::commands) count: u64,
    skipped: Skipped,
    pub(in crate::commands) cost_cents: Cost,
    seconds: Option<Seconds>,
}

#[derive(Debug, Deserialize)]
struct Skipped {
    duplicates: u64,
    inactive: u64,
}

#[derive(Debug, Deserialize)]
pub(in crate::commands) struct Cost {
    low: f64,
    pub(in crate::commands) expected: f64,
    high: f64,
}

#[derive(Debug, Deserialize)]
struct Seconds {
    expected: u64,
}

impl Estimate {
    /// On a line.
    pub(in crate::commands) fn line(&self) -> String {
        let Cost { low, expected, high } = &self.cost_cents;
        let time = match &self.seconds {
            Some(seconds) => format!("about {}", show::duration(seconds.expected)),
            None => "no worker is alive".to_owned(),
        };
        let skipped = show::skipped(self.skipped.duplicates, self.skipped.inactive);
        format!("{} emails, about {expected:.2} cents ({low:.2} to {high:.2}), {time}{skipped}", self.count)
    }
}

/// Asks what an order would be.
pub(in crate::commands) async fn ask_estimate(api: &Api, order: &Value) -> anyhow::Result<(Value, Estimate)> {
    let answer: Value = api.post("/email-batches/estimate", order).await?;
    let estimate = Estimate::deserialize(&answer)?;
    Ok((answer, estimate))
}

pub(super) async fn estimate(args: EstimateArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let (answer, estimate) = ask_estimate(&api, &args.order.body()?).await?;
    match output.format {
        Format::Table | Format::Wide | Format::Csv => output.data(estimate.line())?,
        Format::Json | Format::Jsonl => output.json(&answer)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let order = args.order.body()?;
    let (_, estimate) = ask_estimate(&api, &order).await?;
    output.say(estimate.line());
    if !args.yes && !agreed(args.order.sample, output) {
        output.say("nothing was submitted");
        return Ok(Exit::Failed.into());
    }
    let key = args.key.unwrap_or_else(|| format!("cli-{}", Uuid::now_v7()));
    let submitted = api.submit_batch(&order, &key).await.inspect_err(|_| {
        output.say(
            output.paint(Paint::Dim, &format!("sent again with --key {key} it is the same batch, not a second one")),
        );
    });
    let (answer, replayed) = submitted?;
    let batch = Batch::deserialize(&answer)?;
    if replayed {
        output.say("this key came before: it is the batch of then");
    }
    match output.format {
        Format::Table | Format::Wide | Format::Csv => {
            output.data(format!("batch {}: {}", batch.id, show::line(&batch)))?
        }
        Format::Json | Format::Jsonl => output.json(&answer)?,
    }
    if args.watch {
        return watch::run(&api, batch.id, output).await;
    }
    output.say(output.paint(Paint::Dim, &format!("follow it: {} batch watch {}", this_program(), batch.id)));
    Ok(ExitCode::SUCCESS)
}

/// At a terminal it is asked; where nobody sits nothing is.
fn agreed(sample: Option<u32>, output: Output) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return true;
    }
    let first = sample.map(|sample| format!(" The first {sample} are a sample.")).unwrap_or_default();
    output.ask(&format!("Continue?{first} [y/N] "));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}
