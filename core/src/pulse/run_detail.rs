//! One run for operators: its events, its calls, and, where that is asked for and audited, what was said.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::audit;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{OrgId, ProviderCallId, RunId};

/// So much of a run is shown at most.
const MOST: i64 = 1_000;

/// A call of a provider, without what was said.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of provider_calls, by their names")]
pub struct Call {
    pub id: ProviderCallId,
    pub operation: String,
    pub provider: String,
    pub model_id: Option<String>,
    pub stage: i16,
    pub attempt: i32,
    pub success: bool,
    pub error_code: Option<String>,
    pub error: Option<String>,
    pub latency_ms: Option<i32>,
    pub ttft_ms: Option<i32>,
    pub tokens_in: Option<i32>,
    pub tokens_out: Option<i32>,
    pub usage_estimated: bool,
    pub cost_cents: Option<Decimal>,
    pub started_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
}

/// An event of the record.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of pipeline_events, by their names")]
pub struct Event {
    pub event_type: String,
    pub event_data: Value,
    pub occurred_at: DateTime<Utc>,
}

/// What was put in, what came out, and what was said to models and by them.
#[derive(Debug, Clone)]
pub struct Payload {
    /// What was submitted.
    pub input: Value,
    /// What it made.
    pub result: Option<Value>,
    /// Why it failed.
    pub failure: Option<Value>,
    /// Each call's messages and answer.
    pub calls: Value,
}

/// The calls of a run, in the order in which they were made.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn calls(db: &Database, run: RunId) -> Result<Vec<Call>, DatabaseError> {
    let mut tx = db.begin().await?;
    Ok(sqlx::query_as!(
        Call,
        r#"SELECT id AS "id: ProviderCallId", operation, provider, model_id, stage, attempt, success, error_code, error, latency_ms, ttft_ms,
             tokens_in, tokens_out, usage_estimated, cost_cents, started_at, completed_at
           FROM provider_calls WHERE pipeline_run_id = $1 ORDER BY started_at, id LIMIT $2"#,
        run.uuid(),
        MOST,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// The events of a run, in order.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn events(db: &Database, run: RunId) -> Result<Vec<Event>, DatabaseError> {
    let mut tx = db.begin().await?;
    Ok(sqlx::query_as!(
        Event,
        "SELECT event_type, event_data, occurred_at FROM pipeline_events WHERE pipeline_run_id = $1 ORDER BY occurred_at, id LIMIT $2",
        run.uuid(),
        MOST,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// What people and models said in a run. That it was looked at is written with who looked, and why.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn payload(
    db: &Database,
    run: (OrgId, RunId),
    actor: &str,
    reason: &str,
) -> Result<Option<Payload>, DatabaseError> {
    let (org, run) = run;
    let mut tx = db.begin().await?;
    let found = sqlx::query_as!(
        Payload,
        r#"SELECT r.input, r.result, r.failure, coalesce((
             SELECT jsonb_agg(jsonb_build_object('id', c.id, 'stage', c.stage, 'attempt', c.attempt, 'prompt_messages', c.prompt_messages,
               'prompt_text', c.prompt_text, 'output_content', c.output_content, 'output_parsed', c.output_parsed) ORDER BY c.started_at, c.id)
             FROM (SELECT * FROM provider_calls p WHERE p.pipeline_run_id = r.id ORDER BY p.started_at LIMIT $3) c), '[]') AS "calls!"
           FROM pipeline_runs r WHERE r.id = $1 AND r.org_id = $2"#,
        run.uuid(),
        org.uuid(),
        MOST,
    )
    .fetch_optional(tx.connection())
    .await?;
    let target = run.to_string();
    audit::record(
        tx.connection(),
        &audit::Entry {
            org_id: Some(org),
            actor,
            action: "run.read_payload",
            target_type: "run",
            target_id: &target,
            reason: Some(reason),
            details: json!({}),
        },
    )
    .await?;
    tx.commit().await?;
    Ok(found)
}
