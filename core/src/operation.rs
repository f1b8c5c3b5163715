//! Operations: what an operator does to many things at once is a row, and each of the things an item that was frozen when it
//! was made. Whichever worker holds the duty carries them out, one item a transaction, so an operation survives the terminal that
//! began it and the process that works on it, and does nothing twice.

pub mod create;
pub mod execute;
mod item;
pub mod read;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::{self, Entry};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{OperationId, OrgId};
use crate::pulse::filter::Filter;
use crate::queue::letter::Decision;
use crate::queue::redrive::Start;
use crate::run::text_enum;

/// An operation has at most so many items.
pub const MAX_ITEMS: i64 = 100_000;

text_enum! {
    /// What is done to each item.
    Kind {
        /// The dead letter's run lives again.
        Redrive = "redrive",
        /// The run is cancelled.
        Cancel = "cancel",
        /// Somebody looks for the cause of the dead letter.
        Investigate = "investigate",
        /// The dead letter is dealt with.
        Resolve = "resolve",
        /// The dead letter is left as it is.
        Abandon = "abandon",
        /// The dead letter waits again for somebody.
        Reopen = "reopen",
    }
}

impl Kind {
    /// What is decided of a dead letter, if it is that.
    #[must_use]
    pub const fn decision(self) -> Option<Decision> {
        match self {
            Self::Investigate => Some(Decision::Investigate),
            Self::Resolve => Some(Decision::Resolve),
            Self::Abandon => Some(Decision::Abandon),
            Self::Reopen => Some(Decision::Reopen),
            Self::Redrive | Self::Cancel => None,
        }
    }

    /// The filter, with the statuses in which this can be done where it names none.
    #[must_use]
    pub fn narrow(self, filter: &Filter) -> Filter {
        let statuses: &[&str] = match self {
            Self::Redrive | Self::Resolve | Self::Abandon => &["pending", "investigating"],
            Self::Investigate => &["pending"],
            Self::Reopen => &["investigating", "resolved", "abandoned"],
            Self::Cancel => &["queued", "running"],
        };
        let mut narrow = filter.clone();
        if narrow.status.is_empty() {
            narrow.status = statuses.iter().map(|status| (*status).to_owned()).collect();
        }
        narrow
    }
}

text_enum! {
    /// Where an operation stands.
    OperationStatus {
        /// The first few are done, and how they end is waited for.
        Canary = "canary",
        /// It is being carried out.
        Running = "running",
        /// All items have been done, or refused.
        Done = "done",
        /// Somebody stopped it.
        Aborted = "aborted",
        /// Its first few did not all end well.
        Failed = "failed",
    }
}

impl OperationStatus {
    /// No item of it is done any more.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Aborted | Self::Failed)
    }
}

/// How each item is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Where a redriven run begins.
    pub from: Start,
    /// The model that is to answer.
    pub model: Option<String>,
    /// What is kept with a dead letter.
    pub notes: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { from: Start::Failed, model: None, notes: None }
    }
}

/// What became of an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aborted {
    /// No further item is done.
    Now,
    /// It had ended so.
    Ended(OperationStatus),
    /// There is no such operation.
    NotFound,
}

/// Stops an operation: once this returns no further item of it is done; what is done stands. `org`: only that
/// organisation's.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn abort(
    db: &Database,
    org: Option<OrgId>,
    id: OperationId,
    actor: &str,
    reason: Option<&str>,
) -> Result<Aborted, DatabaseError> {
    let mut tx = db.begin().await?;
    if let Some(org) = org {
        tx.enter(org).await?;
    }
    let found = sqlx::query!(
        r#"SELECT status, org_id AS "org_id: OrgId", done, total FROM ops WHERE id = $1 AND ($2::uuid IS NULL OR org_id = $2) FOR NO KEY UPDATE"#,
        id.uuid(),
        org.map(OrgId::uuid),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(found) = found else { return Ok(Aborted::NotFound) };
    let status = OperationStatus::parse(&found.status)?;
    if status.has_ended() {
        return Ok(Aborted::Ended(status));
    }
    sqlx::query!(
        "UPDATE ops SET status = 'aborted', status_reason = $2, ended_by_actor = $3, ended_at = clock_timestamp(), updated_at = clock_timestamp()
         WHERE id = $1",
        id.uuid(),
        reason,
        actor,
    )
    .execute(tx.connection())
    .await?;
    let entry = Entry {
        org_id: found.org_id,
        actor,
        action: "operation.abort",
        target_type: "operation",
        target_id: &id.to_string(),
        reason,
        details: json!({"done": found.done, "total": found.total}),
    };
    audit::record(tx.connection(), &entry).await?;
    tx.commit().await?;
    Ok(Aborted::Now)
}
