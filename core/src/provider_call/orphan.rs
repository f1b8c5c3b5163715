//! Calls that nobody will close any more: their worker died, or forgot them.

use rust_decimal::Decimal;

use super::{CallEnd, OpenCall, close};
use crate::breaker::Health;
use crate::database::Database;
use crate::error::{DatabaseError, ErrorCode};
use crate::id::{ProviderCallId, WorkerId};
use crate::queue::lease::Owned;

/// How many calls of a dead worker are closed at a time.
pub const GROUP: i64 = 100;

/// The calls of a step that lost its worker. By its run and stage besides its token: the other steps of the same claim
/// may live. What the run's readers saw of such an answer is found by the number of its attempt.
///
/// # Errors
/// If the database can't be read.
pub async fn orphans(db: &Database, step: Owned) -> Result<Vec<OpenCall>, DatabaseError> {
    let calls = sqlx::query_as!(
        OpenCall,
        r#"SELECT c.id AS "id: ProviderCallId", c.provider, coalesce(c.model_id, '') AS "model_id!",
             coalesce(c.tokens_in, 0) AS "tokens_in!",
             coalesce((SELECT string_agg(s.data->>'delta', '' ORDER BY s.seq) FROM run_stream s
               WHERE s.run_id = c.pipeline_run_id AND s.event = 'output.delta' AND s.data->>'attempt' = c.attempt::text),
               '') AS "streamed!"
           FROM provider_calls c WHERE c.lease_token = $1 AND c.pipeline_run_id = $2 AND c.stage = $3 AND c.completed_at IS NULL LIMIT 10"#,
        step.token.uuid(),
        step.run_id.uuid(),
        step.stage,
    )
    .fetch_all(db.fast())
    .await?;
    Ok(calls)
}

/// The calls of a dead worker whose steps don't run under their tokens any more: they were taken from it, or their runs
/// were cancelled just before it died. None of a worker whose lease holds.
///
/// # Errors
/// If the database can't be read.
pub async fn left_by(db: &Database, dead: WorkerId) -> Result<Vec<OpenCall>, DatabaseError> {
    let calls = sqlx::query_as!(
        OpenCall,
        r#"SELECT c.id AS "id: ProviderCallId", c.provider, coalesce(c.model_id, '') AS "model_id!",
             coalesce(c.tokens_in, 0) AS "tokens_in!",
             coalesce((SELECT string_agg(s.data->>'delta', '' ORDER BY s.seq) FROM run_stream s
               WHERE s.run_id = c.pipeline_run_id AND s.event = 'output.delta' AND s.data->>'attempt' = c.attempt::text),
               '') AS "streamed!"
           FROM provider_calls c
           WHERE c.worker_id = $1 AND c.completed_at IS NULL
             AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $1 AND w.lease_until < now())
             AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = c.pipeline_run_id AND s.stage = c.stage
               AND s.lease_token = c.lease_token AND s.status = 'running')
           LIMIT $2"#,
        dead.uuid(),
        GROUP,
    )
    .fetch_all(db.fast())
    .await?;
    Ok(calls)
}

/// The calls that their process forgot: open for ten minutes, and their step does not run under their token any more. A
/// call that lost its token to a redrive just before its worker died is one.
///
/// # Errors
/// If the database can't be read.
pub async fn forgotten(db: &Database) -> Result<Vec<OpenCall>, DatabaseError> {
    let calls = sqlx::query_as!(
        OpenCall,
        r#"SELECT c.id AS "id: ProviderCallId", c.provider, coalesce(c.model_id, '') AS "model_id!",
             coalesce(c.tokens_in, 0) AS "tokens_in!", '' AS "streamed!"
           FROM provider_calls c
           WHERE c.completed_at IS NULL AND c.started_at < now() - interval '10 minutes'
             AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = c.pipeline_run_id AND s.stage = c.stage
               AND s.lease_token = c.lease_token AND s.status = 'running')
           LIMIT 100"#
    )
    .fetch_all(db.fast())
    .await?;
    Ok(calls)
}

/// Closes what a lost worker left open, as `LEASE_EXPIRED`; `price` says what an open call with so many tokens of answer
/// cost. Returns how many it closed.
///
/// # Errors
/// If the database refuses or can't be reached; the rest stays open for another try.
pub async fn close_orphans(
    db: &Database,
    calls: Vec<OpenCall>,
    price: impl Fn(&OpenCall) -> (i32, Decimal),
) -> Result<u64, DatabaseError> {
    let (mut closed, mut fault) = (0, None);
    for call in calls {
        let (tokens_out, cost_cents) = price(&call);
        let end = CallEnd {
            latency_ms: None,
            ttft_ms: None,
            tokens_in: call.tokens_in,
            tokens_out,
            usage_estimated: true,
            cost_cents,
            health: if call.streamed.is_empty() { Health::Unseen } else { Health::Well },
            error: Some((ErrorCode::LeaseExpired, "the worker was lost during the call".to_owned())),
            output: call.streamed,
        };
        // One that can't be closed keeps none of the others open.
        match close(db, call.id, &end).await {
            Ok(now) => closed += u64::from(now),
            Err(error) => fault = Some(error),
        }
    }
    fault.map_or(Ok(closed), Err)
}
