//! `runs show`

use std::process::ExitCode;

use hellosales_core::pulse::run_detail::{self, Call, Event, Payload};
use hellosales_core::pulse::run_list::ListedRun;
use hellosales_core::timeline as attempts;
use hellosales_core::timeline::Attempt;
use serde_json::{Map, Value, json};

use super::list::COLUMNS;
use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::{Format, Output, Paint};
use crate::problem::{Exit, Problem};
use crate::timeline;

static CALLS: &[Column<Call>] = &[
    Column::new("started_at", "started", |call| call.started_at.into()),
    Column::new("stage", "stage", |call| i32::from(call.stage).into()),
    Column::new("attempt", "attempt", |call| call.attempt.into()),
    Column::new("provider", "provider", |call| (&call.provider).into()),
    Column::new("model", "model", |call| call.model_id.as_ref().into()),
    Column::new("success", "ok", |call| call.success.into()),
    Column::new("error_code", "error", |call| call.error_code.as_ref().into()),
    Column::new("ttft_ms", "first token", |call| Cell::ms_if(call.ttft_ms)),
    Column::new("latency_ms", "took", |call| Cell::ms_if(call.latency_ms)),
    Column::new("tokens_in", "in", |call| call.tokens_in.into()),
    Column::new("tokens_out", "out", |call| call.tokens_out.into()),
    Column::new("cost_cents", "cents", |call| Cell::decimal_if(call.cost_cents)),
    Column::wide("id", "id", |call| Cell::said(call.id)),
    Column::wide("operation", "operation", |call| (&call.operation).into()),
    Column::wide("usage_estimated", "estimated", |call| call.usage_estimated.into()),
    Column::wide("error", "error in full", |call| call.error.as_ref().into()),
    Column::wide("completed_at", "completed", |call| call.completed_at.into()),
];

static EVENTS: &[Column<Event>] = &[
    Column::new("occurred_at", "at", |event| event.occurred_at.into()),
    Column::new("event_type", "event", |event| (&event.event_type).into()),
    Column::new("data", "data", |event| Cell::Json(event.event_data.clone())),
];

static ATTEMPTS: &[Column<Attempt>] = &[
    Column::new("stage", "stage", |attempt| (&attempt.stage).into()),
    Column::new("status", "status", |attempt| (&attempt.status).into()),
    Column::new("attempt", "attempt", |attempt| attempt.attempt.into()),
    Column::new("worker_id", "worker", |attempt| Cell::said_if(attempt.worker)),
    Column::new("started_ms", "after", |attempt| Cell::Ms(attempt.started_ms)),
    Column::new("duration_ms", "took", |attempt| Cell::Ms(attempt.duration_ms)),
    Column::new("cost_cents", "cents", |attempt| Cell::decimal_if(attempt.cost_cents)),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
    /// Attempt by attempt, on one line of time
    #[arg(long)]
    timeline: bool,
    /// The events of the record
    #[arg(long)]
    events: bool,
    /// The calls of providers, with what they took and cost
    #[arg(long)]
    calls: bool,
    /// What people and models said: it is audited that you looked
    #[arg(long, requires = "reason")]
    payload: bool,
    /// Why the payload is looked at: it is kept in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What was asked for beside the run.
#[derive(Default)]
struct Parts {
    timeline: Option<Vec<Attempt>>,
    events: Option<Vec<Event>>,
    calls: Option<Vec<Call>>,
    payload: Option<Payload>,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let run = super::find(&operator, &args.id).await?;
    let parts = read(args, &operator, &run).await?;
    match output.format {
        Format::Json | Format::Jsonl => {
            let mut object = list.object(&run);
            if let Some(object) = object.as_object_mut() {
                add(object, parts, output);
            }
            output.json(&object)?;
        }
        Format::Csv => list.show_one(&run)?,
        Format::Table | Format::Wide => {
            list.show_one(&run)?;
            tell(&parts, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(args: &Args, operator: &Operator, run: &ListedRun) -> anyhow::Result<Parts> {
    let db = &operator.db;
    let mut parts = Parts::default();
    if args.timeline {
        parts.timeline = Some(attempts::attempts(db, run.id).await.map_err(|error| operator.fault(error))?);
    }
    if args.events {
        parts.events = Some(run_detail::events(db, run.id).await.map_err(|error| operator.fault(error))?);
    }
    if args.calls {
        parts.calls = Some(run_detail::calls(db, run.id).await.map_err(|error| operator.fault(error))?);
    }
    if args.payload {
        let reason = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let reason = reason.ok_or_else(|| Problem::new(Exit::Usage, "a reason says something"))?;
        let read = run_detail::payload(db, (run.org_id, run.id), &operator.actor, reason).await;
        parts.payload = read.map_err(|error| operator.fault(error))?;
    }
    Ok(parts)
}

/// Adds to a run's object what was asked for.
fn add(object: &mut Map<String, Value>, parts: Parts, output: Output) {
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    add("timeline", parts.timeline.map(|rows| List::plain(ATTEMPTS, output).objects(&rows)));
    add("events", parts.events.map(|rows| List::plain(EVENTS, output).objects(&rows)));
    add("calls", parts.calls.map(|rows| List::plain(CALLS, output).objects(&rows)));
    add("payload", parts.payload.map(|payload| {
        json!({"input": payload.input, "result": payload.result, "failure": payload.failure, "calls": payload.calls})
    }));
}

fn tell(parts: &Parts, output: Output) -> anyhow::Result<()> {
    let head = |text: &str| output.data(format!("\n{}", output.paint(Paint::Bold, text)));
    if let Some(attempts) = &parts.timeline {
        head("timeline")?;
        let name = |pid: Option<i32>| pid.map_or_else(String::new, |pid| format!("pid {pid}"));
        timeline::picture(attempts, name, output).iter().try_for_each(|line| output.data(line))?;
    }
    if let Some(events) = &parts.events {
        head("events")?;
        List::plain(EVENTS, output).show(events)?;
    }
    if let Some(calls) = &parts.calls {
        head("calls")?;
        List::plain(CALLS, output).show(calls)?;
    }
    if let Some(payload) = &parts.payload {
        for (name, value) in [
            ("input", Some(&payload.input)),
            ("result", payload.result.as_ref()),
            ("failure", payload.failure.as_ref()),
            ("calls", Some(&payload.calls)),
        ] {
            if let Some(value) = value {
                head(name)?;
                output.data(serde_json::to_string_pretty(value)?)?;
            }
        }
    }
    Ok(())
}
