//! The ledger: every call of a provider, opened before it is made and closed once, whatever became of it. Whoever
//! closes it adds its cost to the run. Each in a transaction of its own, so that a call that happened is never forgotten
//! with a stage that failed.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::database::Database;
use crate::error::{DatabaseError, ErrorCode};
use crate::id::{InteractionId, LeaseToken, OrgId, ProviderCallId, RunId, SessionId, UserId, WorkerId};
use crate::queue::lease::Owned;

/// How many calls of a dead worker are closed at a time.
pub const GROUP: i64 = 100;

/// A call that is about to be made.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// Its id, made beforehand: a call whose opening got no answer can be closed.
    pub id: ProviderCallId,
    /// Whose run.
    pub org_id: OrgId,
    /// The run that it is made for.
    pub run_id: RunId,
    /// The stage that makes it.
    pub stage: i16,
    /// The number of the stage's attempt.
    pub attempt: i16,
    /// The fence of the stage's step.
    pub token: LeaseToken,
    /// The pipeline.
    pub service: &'static str,
    /// Who is called.
    pub provider: String,
    /// Which model.
    pub model_id: String,
    /// The request that submitted the run.
    pub request_id: Option<String>,
    /// The run's session.
    pub session_id: Option<SessionId>,
    /// The user's interaction.
    pub interaction_id: Option<InteractionId>,
    /// The user.
    pub user_id: Option<UserId>,
    /// What the model is told.
    pub prompt_messages: Value,
    /// The prompt's length as we count it: what the call costs at least, should nobody come back to tell.
    pub tokens_in: i32,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct CallEnd {
    /// What the model said, as far as it came.
    pub output: String,
    /// From its start to its end; unknown if its worker was lost.
    pub latency_ms: Option<i32>,
    /// From its start to the first token.
    pub ttft_ms: Option<i32>,
    /// Tokens of the prompt.
    pub tokens_in: i32,
    /// Tokens of the answer.
    pub tokens_out: i32,
    /// We counted, since the provider did not say.
    pub usage_estimated: bool,
    /// What it cost.
    pub cost_cents: Decimal,
    /// Why it failed; `None`: it did not.
    pub error: Option<(ErrorCode, String)>,
}

/// A call that nobody has closed.
#[derive(Debug, Clone)]
pub struct OpenCall {
    /// Its id.
    pub id: ProviderCallId,
    /// Who was called.
    pub provider: String,
    /// Which model.
    pub model_id: String,
    /// The prompt's length as we counted it.
    pub tokens_in: i32,
    /// What the run's readers have seen of its answer.
    pub streamed: String,
}

/// Opens a call in the ledger, if its step is still running under its token; `None`: the step is lost, and nothing may
/// be called.
///
/// # Errors
/// If the database refuses, or gave no answer: then the call may be open, and [`close`] closes it.
pub async fn open(db: &Database, call: &NewCall) -> Result<Option<ProviderCallId>, DatabaseError> {
    let row = sqlx::query!(
        r#"INSERT INTO provider_calls (id, org_id, service, operation, provider, model_id, request_id, pipeline_run_id, stage,
             attempt, lease_token, worker_id, session_id, interaction_id, user_id, prompt_messages, tokens_in)
           SELECT $1, s.org_id, $2, 'llm', left($3, 50), left($4, 100), left($5, 100), s.run_id, s.stage, $6, s.lease_token, s.worker_id,
             $7, $8, $9, $10, $11
           FROM pipeline_steps s
           WHERE s.run_id = $12 AND s.stage = $13 AND s.lease_token = $14 AND s.status = 'running' AND s.org_id = $15
           RETURNING id AS "id: ProviderCallId""#,
        call.id.uuid(),
        call.service,
        call.provider,
        call.model_id,
        call.request_id,
        i32::from(call.attempt),
        call.session_id.map(SessionId::uuid),
        call.interaction_id.map(InteractionId::uuid),
        call.user_id.map(UserId::uuid),
        call.prompt_messages,
        call.tokens_in,
        call.run_id.uuid(),
        call.stage,
        call.token.uuid(),
        call.org_id.uuid(),
    )
    .fetch_optional(db.durable())
    .await?;
    Ok(row.map(|row| row.id))
}

/// Closes a call and adds its cost and tokens to its run; false if somebody has closed it before, or there is none.
/// Waits for the run's row. An error leaves open whether it was done; closing again is safe.
///
/// # Errors
/// If the database refuses or gave no answer.
pub async fn close(db: &Database, id: ProviderCallId, end: &CallEnd) -> Result<bool, DatabaseError> {
    let (code, message) = end.error.as_ref().map_or((None, None), |(code, text)| (Some(code.as_str()), Some(text)));
    let row = sqlx::query!(
        r#"WITH c AS (
             UPDATE provider_calls SET output_content = $2, latency_ms = $3, ttft_ms = $4, tokens_in = $5, tokens_out = $6,
               usage_estimated = $7, cost_cents = $8, success = $9::text IS NULL, error_code = $9, error = $10,
               completed_at = clock_timestamp()
             WHERE id = $1 AND completed_at IS NULL
             RETURNING id, pipeline_run_id, provider, model_id, success)
           UPDATE pipeline_runs r SET total_cost_cents = r.total_cost_cents + $8, tokens_in = r.tokens_in + $5,
             tokens_out = r.tokens_out + $6, provider = c.provider, model_id = c.model_id,
             ttft_ms = CASE WHEN c.success THEN coalesce($4, r.ttft_ms) ELSE coalesce(r.ttft_ms, $4) END,
             tokens_per_second = CASE WHEN c.success AND $3 > coalesce($4, 0)
               THEN $6 * 1000.0 / ($3 - coalesce($4, 0)) ELSE r.tokens_per_second END,
             llm_provider_call_id = CASE WHEN c.success THEN c.id ELSE coalesce(r.llm_provider_call_id, c.id) END
           FROM c WHERE r.id = c.pipeline_run_id
           RETURNING r.id"#,
        id.uuid(),
        end.output,
        end.latency_ms,
        end.ttft_ms,
        end.tokens_in,
        end.tokens_out,
        end.usage_estimated,
        end.cost_cents,
        code,
        message,
    )
    .fetch_optional(db.durable())
    .await?;
    Ok(row.is_some())
}

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
    let mut closed = 0;
    for call in calls {
        let (tokens_out, cost_cents) = price(&call);
        let end = CallEnd {
            latency_ms: None,
            ttft_ms: None,
            tokens_in: call.tokens_in,
            tokens_out,
            usage_estimated: true,
            cost_cents,
            error: Some((ErrorCode::LeaseExpired, "the worker was lost during the call".to_owned())),
            output: call.streamed,
        };
        closed += u64::from(close(db, call.id, &end).await?);
    }
    Ok(closed)
}
