//! What happened in a run, attempt by attempt: for operators.

use rust_decimal::Decimal;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{RunId, WorkerId};

/// One attempt at a stage.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The stage's name.
    pub stage: String,
    /// How it ended: ok, skip, cancel, fail, retry, snooze, give_back or crash.
    pub status: String,
    /// The attempt's number, from 1.
    pub attempt: i32,
    /// Who executed it.
    pub worker: Option<WorkerId>,
    /// That worker's process.
    pub pid: Option<i32>,
    /// When it was claimed, from the acceptance of the run.
    pub started_ms: i64,
    /// How long it was claimed.
    pub duration_ms: i64,
    /// What its provider calls cost; `None` if it made none.
    pub cost_cents: Option<Decimal>,
}

/// Who holds a running step.
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    /// The worker.
    pub worker: WorkerId,
    /// Its process.
    pub pid: i32,
}

/// What a run left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traces {
    /// Answers that are stored.
    pub answers: i64,
    /// Calls in the ledger.
    pub calls: i64,
}

/// The attempts of a run, in the order in which they were claimed. Takes the operator's role.
///
/// # Errors
/// If the database can't be read.
pub async fn attempts(db: &Database, run: RunId) -> Result<Vec<Attempt>, DatabaseError> {
    Ok(sqlx::query_as!(
        Attempt,
        r#"SELECT e.event_data ->> 'stage' AS "stage!", e.event_data ->> 'status' AS "status!",
                  coalesce((e.event_data ->> 'attempt')::int, 1) AS "attempt!",
                  (e.event_data ->> 'worker_id')::uuid AS "worker: WorkerId", w.pid AS "pid?",
                  greatest(0, (extract(epoch FROM (e.event_data ->> 'claimed_at')::timestamptz - r.created_at) * 1000)::bigint) AS "started_ms!",
                  coalesce((e.event_data ->> 'duration_ms')::bigint, 0) AS "duration_ms!",
                  (SELECT sum(c.cost_cents) FROM provider_calls c
                   WHERE c.pipeline_run_id = r.id AND c.lease_token = (e.event_data ->> 'token')::uuid) AS "cost_cents"
           FROM pipeline_events e JOIN pipeline_runs r ON r.id = e.pipeline_run_id
           LEFT JOIN workers w ON w.id = (e.event_data ->> 'worker_id')::uuid
           WHERE e.pipeline_run_id = $1 AND e.event_type = 'stage.wide'
           ORDER BY 6, e.event_data -> 'stage_number', 3"#,
        run.uuid()
    )
    .fetch_all(db.fast())
    .await?)
}

/// Who works on a run right now, if somebody does. Takes the operator's role.
///
/// # Errors
/// If the database can't be read.
pub async fn holder(db: &Database, run: RunId) -> Result<Option<Holder>, DatabaseError> {
    let row = sqlx::query!(
        "SELECT w.id, w.pid FROM pipeline_steps s JOIN workers w ON w.id = s.worker_id
         WHERE s.run_id = $1 AND s.status = 'running' ORDER BY s.stage LIMIT 1",
        run.uuid()
    )
    .fetch_optional(db.fast())
    .await?;
    Ok(row.map(|row| Holder { worker: row.id.into(), pid: row.pid }))
}

/// Counts what a run left behind. Takes the operator's role.
///
/// # Errors
/// If the database can't be read.
pub async fn traces(db: &Database, run: RunId) -> Result<Traces, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM interactions WHERE run_id = $1 AND role = 'assistant') AS "answers!",
                  (SELECT count(*) FROM provider_calls WHERE pipeline_run_id = $1) AS "calls!""#,
        run.uuid()
    )
    .fetch_one(db.fast())
    .await?;
    Ok(Traces { answers: row.answers, calls: row.calls })
}
