//! `dlq show`: one letter, with every attempt; what people wrote only when asked for, which is written down.

use std::process::ExitCode;

use hellosales_core::audit::{self, Entry};
use hellosales_core::dead_letter::read::{self, Letter, Payload};
use hellosales_core::id::DeadLetterId;
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::{Database, DatabaseError};
use serde_json::{Value, json};

use super::columns::COLUMNS;
use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};
use crate::table::plain;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which, or the first characters of its id
    id: String,
    /// Also what was asked for and made: that is written to the audit log
    #[arg(long)]
    payload: bool,
}

/// What is in it beyond a list's columns.
static DEEP: [Column<Letter>; 2] = [
    Column::wide("errors", "errors", |letter| Cell::Json(letter.errors.clone())),
    Column::wide("attempts", "attempts", |letter| Cell::Json(letter.attempts.clone())),
];

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let is_table = matches!(output.format, Format::Table | Format::Wide);
    let deep: &[Column<Letter>] = if is_table { &[] } else { &DEEP };
    let columns: Vec<Column<Letter>> = COLUMNS.iter().chain(deep).map(|column| Column { ..*column }).collect();
    let list = List::of_one(&columns, global, output)?;
    let operator = Operator::open(global).await?;
    let id = DeadLetterId::from(operator.id(Noun::DeadLetter, &args.id).await?);
    let found = look(&operator.db, id, args.payload.then_some(operator.actor.as_str())).await;
    let Some((letter, payload)) = found.map_err(|error| operator.fault(error))? else {
        return Err(Problem::new(Exit::NothingMatched, format!("there is no dead letter {id}")).into());
    };
    if !is_table {
        let mut object = list.object(&letter);
        if let (Value::Object(object), Some(payload)) = (&mut object, payload) {
            object.insert("payload".to_owned(), shown(payload));
        }
        output.json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    list.show_one(&letter)?;
    attempts(&letter.attempts, output)?;
    if let Some(payload) = payload {
        output.data(format!("payload\n{}", serde_json::to_string_pretty(&shown(payload))?))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A letter; with its payload for a reader who is written down.
pub(super) async fn look(
    db: &Database,
    id: DeadLetterId,
    reader: Option<&str>,
) -> Result<Option<(Letter, Option<Payload>)>, DatabaseError> {
    let mut tx = db.begin().await?;
    let Some(letter) = read::get(&mut tx, None, id).await? else { return Ok(None) };
    let Some(actor) = reader else { return Ok(Some((letter, None))) };
    let payload = read::payload(&mut tx, letter.org_id, id).await?;
    let entry = Entry {
        org_id: Some(letter.org_id),
        actor,
        action: "dead_letter.read_payload",
        target_type: "dead_letter",
        target_id: &id.to_string(),
        reason: None,
        details: json!({}),
    };
    audit::record(tx.connection(), &entry).await?;
    tx.commit().await?;
    Ok(Some((letter, payload)))
}

pub(super) fn shown(payload: Payload) -> Value {
    json!({"input": payload.input, "context": payload.context})
}

/// A line for each attempt, and one for each of its provider calls.
fn attempts(attempts: &Value, output: Output) -> anyhow::Result<()> {
    let attempts = attempts.as_array().map(Vec::as_slice).unwrap_or_default();
    if attempts.is_empty() {
        return Ok(());
    }
    output.data("attempts")?;
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    };
    let said = |of: &Value, name: &str| text(of.get(name).unwrap_or(&Value::Null));
    for one in attempts {
        output.data(format!(
            "  {:<14} {:>2}  {:<9} {} ms  worker {}  at {}  {} {}",
            said(one, "stage"),
            said(one, "attempt"),
            said(one, "status"),
            said(one, "duration_ms"),
            said(one, "worker_id"),
            said(one, "claimed_at"),
            said(one, "error_code"),
            said(one, "error"),
        ))?;
        for call in one.get("provider_calls").and_then(Value::as_array).into_iter().flatten() {
            output.data(format!(
                "      call {}  {}/{}  {}  {} ms  {} cents",
                said(call, "id"),
                said(call, "provider"),
                said(call, "model_id"),
                if call.get("success") == Some(&Value::Bool(true)) {
                    "ok".to_owned()
                } else {
                    said(call, "error_code")
                },
                said(call, "latency_ms"),
                said(call, "cost_cents"),
            ))?;
        }
    }
    Ok(())
}
