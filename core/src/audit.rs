//! The audit log: who did what to what, and why. An entry is written in the transaction that does it, so that nothing is
//! done without one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::OrgId;

/// What is done.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Whose things are touched; `None`: the installation's.
    pub org_id: Option<OrgId>,
    /// Who does it: `user:<id>`, or `operator:<name>`.
    pub actor: &'a str,
    /// What: `run.cancel`, `lane.pause`.
    pub action: &'a str,
    /// The kind of thing that it is done to: `run`, `dead_letter`, `lane`.
    pub target_type: &'a str,
    /// Which one: an id or a name; of many, the filter's words or the bulk operation's id.
    pub target_id: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// Counts, filters, old and new values; never what people wrote.
    pub details: Value,
}

/// Writes an entry.
///
/// # Errors
/// If the database refuses or can't be reached: then what it tells of must not be committed.
pub async fn record(connection: &mut PgConnection, entry: &Entry<'_>) -> Result<(), DatabaseError> {
    sqlx::query!(
        "INSERT INTO audit_log (id, org_id, actor, action, target_type, target_id, reason, details)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        entry.org_id.map(OrgId::uuid),
        entry.actor,
        entry.action,
        entry.target_type,
        entry.target_id,
        entry.reason,
        entry.details,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An entry, as it was written.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the columns of audit_log, by their names")]
pub struct Audited {
    pub id: Uuid,
    pub org_id: Option<OrgId>,
    pub actor: String,
    pub action: String,
    pub target_type: String,
    pub target_id: String,
    pub reason: Option<String>,
    pub details: Value,
    pub created_at: DateTime<Utc>,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this organisation.
    pub org_id: Option<OrgId>,
    /// Of this actor.
    pub actor: Option<String>,
    /// Of an action that begins so: `dead_letter.`.
    pub action_prefix: Option<String>,
    /// Of this target.
    pub target_id: Option<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before this entry: where the page before ended.
    pub before: Option<Uuid>,
}

/// A page of the log, newest first. For operators.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn list(db: &Database, filter: &AuditFilter, limit: i64) -> Result<Vec<Audited>, DatabaseError> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query_as!(
        Audited,
        r#"SELECT id, org_id AS "org_id: OrgId", actor, action, target_type, target_id, reason, details, created_at FROM audit_log
           WHERE id < $1 AND ($2::uuid IS NULL OR org_id = $2) AND ($3::text IS NULL OR actor = $3)
             AND ($4::text IS NULL OR starts_with(action, $4)) AND ($5::text IS NULL OR target_id = $5)
             AND ($6::timestamptz IS NULL OR created_at >= $6)
           ORDER BY id DESC LIMIT $7"#,
        filter.before.unwrap_or(Uuid::max()),
        filter.org_id.map(OrgId::uuid),
        filter.actor,
        filter.action_prefix,
        filter.target_id,
        filter.since,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}
