//! What runs wrote, read for a page of them at once.

use std::collections::HashMap;

use super::runs::{Run, RunRow};
use crate::content::email::{self, Email};
use crate::content::script::{self, Script};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::RunId;

/// The version that a run wrote.
#[derive(Debug, Clone)]
pub enum Written {
    /// Of a script.
    Script(Box<Script>),
    /// Of an email.
    Email(Box<Email>),
}

/// Adds to these runs what they wrote: one statement for scripts and one for emails, where there are such.
pub(super) async fn with(tx: &mut OrgTx<'_>, rows: Vec<RunRow>) -> Result<Vec<Run>, DatabaseError> {
    let (scripts, emails) = (targets(&rows, "script"), targets(&rows, "email"));
    let mut found: HashMap<RunId, Written> = HashMap::new();
    if !scripts.is_empty() {
        let written = script::of_runs(tx, &scripts).await?.into_iter();
        found.extend(written.filter_map(|script| Some((script.run_id?, Written::Script(Box::new(script))))));
    }
    if !emails.is_empty() {
        let written = email::of_runs(tx, &emails).await?.into_iter();
        found.extend(written.filter_map(|email| Some((email.run_id?, Written::Email(Box::new(email))))));
    }
    Ok(rows.into_iter().map(|row| Run { written: found.remove(&row.id), row }).collect())
}

fn targets<T: From<uuid::Uuid>>(rows: &[RunRow], kind: &str) -> Vec<(RunId, T)> {
    let completed = rows.iter().filter(|row| row.status == "completed" && row.target_type.as_deref() == Some(kind));
    completed.filter_map(|row| Some((row.id, row.target_id?.into()))).collect()
}
