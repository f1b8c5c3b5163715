//! What a transition leaves behind: stream events for followers, wide events for the record.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::submit::stage_number;
use super::{ClaimedStep, End};
use crate::error::DatabaseError;
use crate::id::{EventId, OrgId, RunId, WorkerId};

/// One event of a run's stream; its time is added by the database.
#[derive(Debug, Clone)]
pub(super) struct StreamEvent {
    run: RunId,
    org: OrgId,
    seq: i64,
    event: &'static str,
    data: Value,
}

impl StreamEvent {
    pub(super) const fn new(run: RunId, org: OrgId, seq: i64, event: &'static str, data: Value) -> Self {
        Self { run, org, seq, event, data }
    }
}

/// Writes stream events, in one statement. The caller holds the locks of their runs.
pub(super) async fn write_stream(connection: &mut PgConnection, events: &[StreamEvent]) -> Result<(), DatabaseError> {
    if events.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = events.iter().map(|e| e.run.uuid()).collect();
    let orgs: Vec<Uuid> = events.iter().map(|e| e.org.uuid()).collect();
    let seqs: Vec<i64> = events.iter().map(|e| e.seq).collect();
    let names: Vec<String> = events.iter().map(|e| e.event.to_owned()).collect();
    let data: Vec<Value> = events.iter().map(|e| e.data.clone()).collect();
    sqlx::query!(
        "INSERT INTO run_stream (run_id, seq, org_id, event, data)
         SELECT v.run_id, v.seq, v.org_id, v.event, v.data || jsonb_build_object('at', to_jsonb(clock_timestamp()))
         FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::jsonb[]) AS v(run_id, seq, org_id, event, data)",
        &runs,
        &seqs,
        &orgs,
        &names,
        &data,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// One row of `pipeline_events`.
#[derive(Debug, Clone)]
pub(super) struct WideEvent {
    pub(super) run: RunId,
    pub(super) org: OrgId,
    pub(super) request_id: Option<String>,
    pub(super) session: Option<Uuid>,
    pub(super) user: Option<Uuid>,
    pub(super) event: &'static str,
    pub(super) data: Value,
}

/// Writes wide events, in one statement.
pub(super) async fn write_wide(connection: &mut PgConnection, events: &[WideEvent]) -> Result<(), DatabaseError> {
    if events.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = events.iter().map(|_| EventId::new().uuid()).collect();
    let orgs: Vec<Uuid> = events.iter().map(|e| e.org.uuid()).collect();
    let runs: Vec<Uuid> = events.iter().map(|e| e.run.uuid()).collect();
    let names: Vec<String> = events.iter().map(|e| e.event.to_owned()).collect();
    let data: Vec<Value> = events.iter().map(|e| e.data.clone()).collect();
    let requests: Vec<Option<String>> = events.iter().map(|e| e.request_id.clone()).collect();
    let sessions: Vec<Option<Uuid>> = events.iter().map(|e| e.session).collect();
    let users: Vec<Option<Uuid>> = events.iter().map(|e| e.user).collect();
    sqlx::query!(
        "INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type, event_data, request_id, session_id, user_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::text[], $7::uuid[], $8::uuid[])",
        &ids,
        &orgs,
        &runs,
        &names,
        &data,
        &requests as &[Option<String>],
        &sessions as &[Option<Uuid>],
        &users as &[Option<Uuid>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What the record keeps of one end of a stage.
pub(super) fn stage_wide(step: &ClaimedStep, worker: WorkerId, end: &End, ended_at: DateTime<Utc>) -> WideEvent {
    let run = step.run();
    let failure = match end {
        End::Retry { failure, .. } | End::Fail(failure) => Some(failure),
        _ => None,
    };
    let mut data = json!({
        "stage": step.shape().name,
        "stage_number": stage_number(step.stage()),
        "kind": step.shape().kind.as_str(),
        "status": end_word(end),
        "attempt": step.attempt(),
        "epoch": step.epoch(),
        "generation": run.generation,
        "worker_id": worker,
        "token": step.token(),
        "claimed_at": step.claimed_at(),
        "ended_at": ended_at,
        "duration_ms": duration_ms(step.claimed_at(), ended_at),
        "error_code": failure.map(|f| f.code),
        "error": failure.map(|f| f.message.as_str()),
    });
    if let (End::Skip { reason }, Some(data)) = (end, data.as_object_mut()) {
        data.insert("reason".to_owned(), json!(reason));
    }
    WideEvent {
        run: run.id,
        org: run.org_id,
        request_id: run.request_id.clone(),
        session: run.session_id.map(crate::SessionId::uuid),
        user: run.user_id.map(crate::UserId::uuid),
        event: "stage.wide",
        data,
    }
}

/// The plan's word for how a stage ended, and ours for the ends that it does not know.
pub(super) const fn end_word(end: &End) -> &'static str {
    match end {
        End::Ok(_) => "ok",
        End::Skip { .. } => "skip",
        End::Cancel { .. } => "cancel",
        End::Fail(_) => "fail",
        End::Retry { .. } => "retry",
        End::Snooze { .. } => "snooze",
        End::GiveBack => "give_back",
    }
}

pub(super) fn duration_ms(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_milliseconds().max(0)
}

/// The data of `stage.completed`.
pub(super) fn stage_completed(step: &ClaimedStep, end: &End, ended_at: DateTime<Utc>) -> Value {
    json!({
        "stage": step.shape().name,
        "status": end_word(end),
        "attempt": step.attempt(),
        "duration_ms": duration_ms(step.claimed_at(), ended_at),
    })
}

/// The data of `run.waiting`.
pub(super) fn waiting(reason: &str, until: Option<DateTime<Utc>>, detail: &str) -> Value {
    let mut data = Map::new();
    data.insert("waiting".to_owned(), json!({"reason": reason, "until": until, "detail": detail}));
    Value::Object(data)
}
