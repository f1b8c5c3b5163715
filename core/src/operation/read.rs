//! Reading operations: where they stand, what was refused, and how the runs that they redrove have ended.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{OperationId, OrgId, RunId};
use crate::pulse::window::Window;

/// An operation.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of ops, by their names")]
pub struct Operation {
    pub id: OperationId,
    pub org_id: Option<OrgId>,
    pub kind: String,
    pub filter: Option<Value>,
    pub actor: String,
    pub reason: Option<String>,
    pub options: Value,
    pub rate_per_s: Option<f64>,
    pub canary: i32,
    pub status: String,
    pub status_reason: Option<String>,
    pub total: i32,
    pub done: i32,
    pub ok: i32,
    pub failed: i32,
    pub ended_by_actor: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// How the lives have ended that an operation gave to runs. A run that lives another one by now failed in this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// Not yet.
    pub live: i64,
    /// All stages are done.
    pub completed: i64,
    /// Failed again.
    pub failed: i64,
    /// Cancelled meanwhile.
    pub cancelled: i64,
    /// Pruned: nobody knows any more.
    pub unknown: i64,
    /// Of the first few: completed.
    pub canary_completed: i64,
}

/// An item of an operation.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of op_items, by their names")]
pub struct OperationItem {
    pub n: i32,
    pub target_id: Uuid,
    pub run_id: RunId,
    pub status: String,
    pub generation: Option<i32>,
    pub error: Option<String>,
    pub run_status: Option<String>,
    pub run_error: Option<String>,
}

macro_rules! select {
    ($tail:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Operation,
            r#"SELECT id AS "id: OperationId", org_id AS "org_id: OrgId", kind, filter, actor, reason, options, rate_per_s, canary, status,
                 status_reason, total, done, ok, failed, ended_by_actor, created_at, updated_at, ended_at FROM ops "#
                + $tail,
            $($argument),*
        )
    };
}

/// An operation. `org`: only that organisation's.
///
/// # Errors
/// If the database fails.
pub async fn get(tx: &mut Tx, org: Option<OrgId>, id: OperationId) -> Result<Option<Operation>, DatabaseError> {
    let query = select!("WHERE id = $1 AND ($2::uuid IS NULL OR org_id = $2)", id.uuid(), org.map(OrgId::uuid));
    Ok(query.fetch_optional(tx.connection()).await?)
}

/// A page of operations. `org`: that organisation's.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, org: Option<OrgId>, window: Window) -> Result<Vec<Operation>, DatabaseError> {
    let (low, high) = window.narrow(Uuid::nil(), Uuid::max());
    let query = select!(
        "WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR org_id = $3) ORDER BY CASE WHEN $4 THEN id END, id DESC LIMIT $5",
        low,
        high,
        org.map(OrgId::uuid),
        window.ascending,
        window.limit
    );
    Ok(query.fetch_all(tx.connection()).await?)
}

/// How many operations there are, counted to 10,000.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut Tx, org: Option<OrgId>) -> Result<crate::content::Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM ops WHERE $1::uuid IS NULL OR org_id = $1 LIMIT $2) c"#,
        org.map(OrgId::uuid),
        crate::content::COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

/// How the runs have ended that an operation redrove.
///
/// # Errors
/// If the database fails.
pub async fn ends(tx: &mut Tx, op: &Operation) -> Result<Ends, DatabaseError> {
    if op.kind != super::Kind::Redrive.as_str() {
        return Ok(Ends::default());
    }
    Ok(sqlx::query_as!(
        Ends,
        r#"SELECT count(*) FILTER (WHERE e.ended = 'live') AS "live!", count(*) FILTER (WHERE e.ended = 'completed') AS "completed!",
             count(*) FILTER (WHERE e.ended = 'failed') AS "failed!", count(*) FILTER (WHERE e.ended = 'cancelled') AS "cancelled!",
             count(*) FILTER (WHERE e.ended = 'unknown') AS "unknown!",
             count(*) FILTER (WHERE e.ended = 'completed' AND e.n < $2) AS "canary_completed!"
           FROM (SELECT i.n, CASE WHEN r.id IS NULL THEN 'unknown' WHEN r.generation > i.generation THEN 'failed'
                   WHEN r.completed_at IS NULL THEN 'live' ELSE r.status END AS ended
                 FROM op_items i LEFT JOIN pipeline_runs r ON r.id = i.run_id WHERE i.op_id = $1 AND i.status = 'ok') e"#,
        op.id.uuid(),
        op.canary,
    )
    .fetch_one(tx.connection())
    .await?)
}

/// The items that were refused, and those whose runs failed again: the first so many.
///
/// # Errors
/// If the database fails.
pub async fn troubled(tx: &mut Tx, id: OperationId, limit: i64) -> Result<Vec<OperationItem>, DatabaseError> {
    Ok(sqlx::query_as!(
        OperationItem,
        r#"SELECT i.n, i.target_id, i.run_id AS "run_id: RunId", i.status, i.generation, i.error, r.status AS "run_status?",
             d.error_code AS "run_error?"
           FROM op_items i LEFT JOIN pipeline_runs r ON r.id = i.run_id
           LEFT JOIN dead_letter_queue d ON d.pipeline_run_id = i.run_id AND d.generation = i.generation
           WHERE i.op_id = $1 AND (i.status = 'failed' OR d.id IS NOT NULL) ORDER BY i.n LIMIT $2"#,
        id.uuid(),
        limit,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// An operation as it stands, with how its runs have ended, in a transaction of its own.
///
/// # Errors
/// If the database fails.
pub async fn look(db: &Database, id: OperationId) -> Result<Option<(Operation, Ends)>, DatabaseError> {
    let mut tx = db.begin().await?;
    let Some(op) = get(&mut tx, None, id).await? else { return Ok(None) };
    let ends = ends(&mut tx, &op).await?;
    Ok(Some((op, ends)))
}
