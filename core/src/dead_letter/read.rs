//! Reading letters: a page of them, one with all that it says, and, apart, what people wrote.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::matching::matching;
use crate::content::{COUNT_LIMIT, Total};
use crate::database::{OrgTx, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, DeadLetterId, OrgId, RunId, SessionId, UserId};
use crate::pulse::filter::Filter;
use crate::pulse::window::Window;

/// A letter, without what people wrote.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of dead_letter_queue, by their names")]
pub struct Letter {
    pub id: DeadLetterId,
    pub org_id: OrgId,
    pub pipeline_run_id: RunId,
    pub generation: i32,
    pub previous_id: Option<DeadLetterId>,
    pub pipeline: Option<String>,
    pub pipeline_version: Option<i32>,
    pub batch_id: Option<BatchId>,
    pub error_type: String,
    pub error_message: Option<String>,
    pub error_code: Option<String>,
    pub failed_stage: Option<String>,
    pub provider: Option<String>,
    pub model_id: Option<String>,
    pub fingerprint: Option<String>,
    pub failures: i32,
    pub crashes: i32,
    pub snoozes: i32,
    pub request_id: Option<String>,
    pub session_id: Option<SessionId>,
    pub user_id: Option<UserId>,
    pub retry_count: i32,
    pub max_retries: i32,
    pub last_retry_at: Option<DateTime<Utc>>,
    pub next_retry_at: Option<DateTime<Utc>>,
    pub status: String,
    pub resolution: Option<String>,
    pub resolved_by: Option<UserId>,
    pub resolved_by_actor: Option<String>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution_notes: Option<String>,
    pub investigated_by_actor: Option<String>,
    pub investigated_at: Option<DateTime<Utc>>,
    pub restart_only: bool,
    pub payload_pruned_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Every death of its generation, in order.
    pub errors: Value,
    /// Every attempt of its generation, in order, with worker, times and provider calls.
    pub attempts: Value,
    /// Where its run stands now; `None` once that was pruned.
    pub run_status: Option<String>,
    /// What the run has cost so far.
    pub run_cost_cents: Option<Decimal>,
}

macro_rules! columns {
    ($how:ident, $filter:expr, $tail:literal $(, $more:expr)* $(,)?) => {
        matching!(
            $how<Letter>,
            $filter,
            r#"SELECT d.id AS "id: DeadLetterId", d.org_id AS "org_id: OrgId", d.pipeline_run_id AS "pipeline_run_id: RunId", d.generation,
                 d.previous_id AS "previous_id: DeadLetterId", d.pipeline, d.pipeline_version, d.batch_id AS "batch_id: BatchId",
                 d.error_type, d.error_message, d.error_code, d.failed_stage, d.provider, d.model_id, d.fingerprint, d.failures,
                 d.crashes, d.snoozes, d.request_id, d.session_id AS "session_id: SessionId", d.user_id AS "user_id: UserId",
                 d.retry_count, d.max_retries, d.last_retry_at, d.next_retry_at, d.status, d.resolution,
                 d.resolved_by AS "resolved_by: UserId", d.resolved_by_actor, d.resolved_at, d.resolution_notes,
                 d.investigated_by_actor, d.investigated_at, d.restart_only, d.payload_pruned_at, d.created_at, d.updated_at,
                 d.errors, d.attempts, r.status AS "run_status?", r.total_cost_cents AS "run_cost_cents?"
               FROM dead_letter_queue d LEFT JOIN pipeline_runs r ON r.id = d.pipeline_run_id WHERE "#,
            $tail
            $(, $more)*
        )
    };
}

/// A part of the letters that a filter means. Whose: the filter says, and row-level security.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, filter: &Filter, window: Window) -> Result<Vec<Letter>, DatabaseError> {
    super::plan_for_values(tx).await?;
    let (low, high) = window.narrow(Uuid::nil(), Uuid::max());
    let query = columns!(
        query_as,
        filter,
        "AND d.id BETWEEN $15 AND $16 ORDER BY CASE WHEN $17 THEN d.id END, d.id DESC LIMIT $18",
        low,
        high,
        window.ascending,
        window.limit,
    );
    Ok(query.fetch_all(tx.connection()).await?)
}

/// One letter. `org`: only that organisation's.
///
/// # Errors
/// If the database fails.
pub async fn get(tx: &mut Tx, org: Option<OrgId>, id: DeadLetterId) -> Result<Option<Letter>, DatabaseError> {
    super::plan_for_values(tx).await?;
    let filter = Filter { org_id: org, ..Filter::default() };
    let query = columns!(query_as, filter, "AND d.id = $15", id.uuid());
    Ok(query.fetch_optional(tx.connection()).await?)
}

/// How many letters a filter means; counted to 10,000.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut Tx, filter: &Filter) -> Result<Total, DatabaseError> {
    super::plan_for_values(tx).await?;
    let count = matching!(
        query_scalar,
        filter,
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM dead_letter_queue d WHERE "#,
        "LIMIT $15) c",
        COUNT_LIMIT + 1,
    );
    Ok(count.fetch_one(tx.connection()).await?.into())
}

/// The letter of a failed run's present life.
///
/// # Errors
/// If the database fails.
pub async fn of_run(tx: &mut OrgTx<'_>, run: RunId) -> Result<Option<DeadLetterId>, DatabaseError> {
    let org = tx.org().uuid();
    Ok(sqlx::query_scalar!(
        r#"SELECT d.id AS "id: DeadLetterId" FROM dead_letter_queue d JOIN pipeline_runs r ON r.id = d.pipeline_run_id
           WHERE r.id = $1 AND r.org_id = $2 AND d.generation = r.generation"#,
        run.uuid(),
        org,
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// What people wrote, and what stages made of it. Whoever reads it writes that down.
#[derive(Debug, Clone)]
pub struct Payload {
    /// What the run was given.
    pub input: Option<Value>,
    /// What its stages knew.
    pub context: Value,
}

/// The payload of a letter, for a reader who is written down in the same transaction. `None`: there is no such letter.
///
/// # Errors
/// If the database fails.
pub async fn payload(tx: &mut Tx, org: OrgId, id: DeadLetterId) -> Result<Option<Payload>, DatabaseError> {
    Ok(sqlx::query_as!(
        Payload,
        "SELECT input_data AS input, context_snapshot AS context FROM dead_letter_queue WHERE id = $1 AND org_id = $2",
        id.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?)
}
