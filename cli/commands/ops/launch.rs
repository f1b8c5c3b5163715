//! Beginning an operation: it is told, asked about, made, and then looked on at.

use std::process::ExitCode;

use hellosales_core::id::OperationId;
use hellosales_core::operation::create::{self, NewOperation, Targets};
use hellosales_core::operation::{Kind, MAX_ITEMS, Options, read};
use serde_json::json;

use super::follow::{self, Patience};
use crate::bulk::BulkArgs;
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What is begun.
pub(in crate::commands) struct Launch<'a> {
    /// What.
    pub(in crate::commands) kind: Kind,
    /// How.
    pub(in crate::commands) options: &'a Options,
    /// Why.
    pub(in crate::commands) reason: &'a str,
    /// How fast, how many, with whose yes.
    pub(in crate::commands) bulk: &'a BulkArgs,
}

/// Begins it and looks on. `words`: whom it means.
pub(in crate::commands) async fn launch(
    launch: &Launch<'_>,
    targets: Targets<'_>,
    words: &str,
    (operator, patience, output): (&Operator, Patience, Output),
) -> anyhow::Result<ExitCode> {
    let bulk = launch.bulk;
    if bulk.dry_run {
        output.say(format!("{words}. Nothing was done."));
        if matches!(output.format, Format::Json | Format::Jsonl) {
            output.json(&json!({"dry_run": true, "kind": launch.kind, "would": words}))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    bulk.confirm(words, output)?;
    let id = OperationId::new();
    let new = NewOperation {
        id,
        org_id: operator.org,
        kind: launch.kind,
        targets,
        actor: &operator.actor,
        user: None,
        reason: Some(launch.reason),
        options: launch.options,
        rate_per_s: Some(bulk.rate.per_second),
        canary: bulk.canary.and_then(|canary| i32::try_from(canary).ok()).unwrap_or(0),
        max: bulk.max.map_or(MAX_ITEMS, i64::from),
    };
    match create::create(&operator.db, &new).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err(Problem::new(Exit::NothingMatched, "nothing is like that any more").into()),
        // The answer may have been lost, and the operation be there.
        Err(error) => match read::look(&operator.db, id).await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Err(operator.fault(error)),
        },
    }
    output.say(format!("op {id}"));
    follow::operation(operator, id, (patience, output)).await
}
