//! `batch list` and `batch show`, and how a batch is told in words.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use super::One;
use crate::Global;
use crate::caller::Caller;
use crate::client::{Api, Batch};
use crate::output::{Format, Output, Paint, this_program};
use crate::problem::Exit;
use crate::table::{Table, plain};

/// What list takes.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only those that stand like this
    #[arg(long, value_name = "STATUS", value_parser = ["running", "paused", "awaiting_approval", "cancelling", "completed", "cancelled"])]
    status: Option<String>,
    /// So many
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Those after these: as the last list said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    caller: Caller,
}

pub(super) async fn list(args: ListArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let status = args.status.map(|status| format!("&status={status}")).unwrap_or_default();
    let path = format!("/email-batches?limit={}{status}", args.limit);
    let (rows, next) = api.rows(&path, args.cursor.as_deref()).await?;
    match output.format {
        Format::Table | Format::Wide | Format::Csv => {
            let mut table = Table::new(&["id", "status", "done", "failed", "cents", "type", "name", "created"]);
            for row in &rows {
                let batch = Batch::deserialize(row)?;
                let done = format!("{}/{}", batch.counts.done(), batch.counts.total);
                let (failed, cents) = (batch.counts.failed.to_string(), format!("{:.2}", batch.cost_cents));
                let name = batch.name.unwrap_or_default();
                let id = batch.id.to_string();
                table.row([
                    id,
                    batch.status,
                    done,
                    failed,
                    cents,
                    batch.input.email_type,
                    name,
                    minute(&batch.created_at),
                ]);
            }
            table.show(output)?;
        }
        Format::Json => output.json(&rows)?,
        Format::Jsonl => rows.iter().try_for_each(|row| output.json(row))?,
    }
    if let Some(next) = next {
        output.say(format!("more: --cursor {next}"));
    }
    Ok(if rows.is_empty() { Exit::NothingMatched.into() } else { ExitCode::SUCCESS })
}

pub(super) async fn show(args: One, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let answer = read(&api, &args.id).await?;
    match output.format {
        Format::Table | Format::Wide | Format::Csv => tell(&Batch::deserialize(&answer)?, output)?,
        Format::Json | Format::Jsonl => output.json(&answer)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(api: &Api, id: &str) -> anyhow::Result<Value> {
    let id = api.batch_id(id).await?;
    api.get(&format!("/email-batches/{id}")).await
}

fn tell(batch: &Batch, output: Output) -> anyhow::Result<()> {
    let counts = &batch.counts;
    let name = batch.name.as_deref().map(|name| format!(" {}", plain(name))).unwrap_or_default();
    output.data(output.paint(Paint::Bold, &format!("batch {}{name}", batch.id)))?;
    output.data(format!("  {}", line(batch)))?;
    output.data(format!(
        "  queued {}, running {}, completed {}, failed {}, cancelled {}, with warnings {}{}",
        counts.queued,
        counts.running,
        counts.completed,
        counts.failed,
        counts.cancelled,
        counts.warnings,
        skipped(batch.skipped.duplicates, batch.skipped.inactive)
    ))?;
    let input = &batch.input;
    let sample = input.sample.map(|sample| format!(", a sample of {sample} first")).unwrap_or_default();
    output.data(format!("  {}, {}{sample}, round {}", input.email_type, input.quality_mode, batch.round))?;
    if let Some(instructions) = &input.instructions {
        output.data(format!("  instructions: {}", plain(instructions)))?;
    }
    let ended = batch.completed_at.as_deref().map(|at| format!(", ended {}", second(at))).unwrap_or_default();
    output.data(format!("  created {}{ended}", second(&batch.created_at)))?;
    if let Some(next) = next(batch) {
        output.say(output.paint(Paint::Dim, &next));
    }
    Ok(())
}

/// Where a batch stands, on a line.
pub(super) fn line(batch: &Batch) -> String {
    let counts = &batch.counts;
    let mut parts = vec![format!("{} {}/{}", batch.status, counts.done(), counts.total)];
    if batch.status == "running" && batch.rate_per_minute > 0 {
        parts.push(format!("{}/min", batch.rate_per_minute));
    }
    let of = match batch.max_cost_cents {
        Some(max) => format!(" of at most {max}"),
        None => format!(" of about {:.2}", batch.estimated_cost_cents),
    };
    parts.push(format!("{:.2}{of} cents", batch.cost_cents));
    if let Some(eta) = batch.eta.as_deref().filter(|_| batch.status == "running") {
        parts.push(format!("done at {}", clock(eta)));
    }
    if counts.failed > 0 {
        parts.push(format!("{} failed", counts.failed));
    }
    if counts.warnings > 0 {
        parts.push(format!("{} with warnings", counts.warnings));
    }
    // Its status says already that it waits for a yes.
    if let Some(waiting) = batch.waiting.as_ref().filter(|waiting| waiting.reason != batch.status) {
        let detail = waiting.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        parts.push(format!("waits: {}{detail}", waiting.reason));
    }
    parts.join(", ")
}

/// What to type next.
pub(super) fn next(batch: &Batch) -> Option<String> {
    let (program, id) = (this_program(), batch.id);
    Some(match (batch.status.as_str(), batch.outcome.as_deref()) {
        ("awaiting_approval", _) => format!(
            "look at the sample: {program} batch results {id}\nlet the rest be written: {program} batch approve {id} --watch\n\
             or write it again: {program} batch sample {id} --instructions TEXT --watch"
        ),
        ("paused", _) if waits_for_budget(batch) => {
            format!("let it go on with more to spend: {program} batch resume {id} --max-cost CENTS --watch")
        }
        ("paused", _) => format!("let it go on: {program} batch resume {id} --watch"),
        ("completed", Some("some_failed" | "all_failed")) => format!(
            "look at what failed: {program} batch results {id} --status failed\ntry it again: {program} batch retry-failed {id} --watch"
        ),
        ("completed" | "cancelled", _) => format!("the emails: {program} batch results {id} -o csv -f emails.csv"),
        _ => return None,
    })
}

/// Whether it stands still because it may not spend more.
pub(super) fn waits_for_budget(batch: &Batch) -> bool {
    batch.waiting.as_ref().is_some_and(|waiting| waiting.reason == "budget")
}

/// Clients who get no email of their own.
pub(super) fn skipped(duplicates: u64, inactive: u64) -> String {
    let told = |count: u64, what: &str| if count > 0 { format!("; {count} {what}") } else { String::new() };
    format!("{}{}", told(duplicates, "listed twice"), told(inactive, "not active"))
}

/// `45 s`, `12 min`, `3 h 5 min`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// `14:03:22 UTC` of an RFC 3339 time.
fn clock(at: &str) -> String {
    let time = at.split_once('T').and_then(|(_, time)| time.get(..8));
    time.map_or_else(|| at.to_owned(), |time| format!("{time} UTC"))
}

/// `2026-11-24 14:03` of an RFC 3339 time in UTC.
fn minute(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

/// `2026-11-24 14:03:22 UTC` of an RFC 3339 time in UTC.
fn second(at: &str) -> String {
    format!("{} UTC", at.get(..19).unwrap_or(at).replace('T', " "))
}
