//! A run as clients see it: the contract's Run, with what its steps say of it, in one statement.

use std::ops::Deref;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::why::{Ahead, PauseSeen, Stands, Waiting};
use super::written::{self, Written};
use crate::content::{COUNT_LIMIT, Total, Viewer};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{InteractionId, OrgId, RunId, SessionId, UserId};
use crate::pipeline;

/// A run, joined with its leading step (the one that says most about why it moves or doesn't) and with what it made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of pipeline_runs, pipeline_steps and interactions, by their names")]
pub struct RunRow {
    pub id: RunId,
    pub org_id: OrgId,
    pub user_id: Option<UserId>,
    pub session_id: Option<SessionId>,
    pub batch_id: Option<Uuid>,
    pub parent_run_id: Option<RunId>,
    pub pipeline: String,
    pub pipeline_version: i32,
    pub status: String,
    pub status_reason: Option<String>,
    pub generation: i32,
    pub behavior: String,
    pub quality_mode: String,
    pub done: i64,
    pub made: i64,
    pub stream_major: i32,
    pub interaction_id: Option<InteractionId>,
    pub user_sequence: Option<i32>,
    pub message_id: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<Uuid>,
    pub result: Option<Value>,
    pub failure: Option<Value>,
    pub tokens_in: i32,
    pub tokens_out: i32,
    pub total_cost_cents: Decimal,
    pub provider: Option<String>,
    pub model_id: Option<String>,
    pub ttft_ms: Option<i32>,
    pub total_latency_ms: Option<i32>,
    pub request_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Its chunks are gone, or about to go: the stream can't be read back any more.
    pub is_pruned: bool,
    pub stream: bool,
    pub step_kind: Option<String>,
    pub step_status: Option<String>,
    pub step_held_by: Option<String>,
    pub step_delay_reason: Option<String>,
    pub step_until: Option<DateTime<Utc>>,
    pub step_detail: Option<String>,
    pub step_tries: Option<i16>,
    pub step_max_attempts: Option<i16>,
    pub has_worker: bool,
    pub pause_scope: Option<String>,
    pub pause_key: Option<String>,
    pub pause_reason: Option<String>,
    pub pause_until: Option<DateTime<Utc>>,
    pub ahead_run_id: Option<RunId>,
    pub ahead_count: Option<i64>,
    pub said_role: Option<String>,
    pub said_status: Option<String>,
    pub said_content: Option<String>,
    pub said_filtered: Option<bool>,
    pub said_superseded_by: Option<InteractionId>,
    pub said_sequence: Option<i32>,
    pub said_at: Option<DateTime<Utc>>,
}

/// A run, with the script or email that it wrote, if it has.
#[derive(Debug, Clone)]
pub struct Run {
    /// The run.
    pub row: RunRow,
    /// What it wrote.
    pub written: Option<Written>,
}

impl Deref for Run {
    type Target = RunRow;

    fn deref(&self) -> &RunRow {
        &self.row
    }
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The stage that is at work, waits or failed; `None` once there is nothing left.
    pub stage: Option<String>,
    /// Stages done.
    pub done: u32,
    /// Stages in all.
    pub total: u32,
    /// The number of the attempt that is on, or comes next, or was the last.
    pub attempt: Option<i32>,
    /// After this many failures it is dead.
    pub max_attempts: Option<i32>,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this status.
    pub status: Option<&'static str>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Of this batch.
    pub batch_id: Option<Uuid>,
    /// Of this session.
    pub session_id: Option<SessionId>,
}

/// One statement's columns, for one run and for a page of them. A session is its owner's, and so are its runs.
macro_rules! select {
    (@ $where:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            RunRow,
            r#"SELECT r.id AS "id: RunId", r.org_id AS "org_id: OrgId", r.user_id AS "user_id: UserId",
                 r.session_id AS "session_id: SessionId", r.batch_id, r.parent_run_id AS "parent_run_id: RunId", r.pipeline,
                 r.pipeline_version, r.status, r.status_reason, r.generation, r.behavior, r.quality_mode, r.done, r.made, r.stream_major,
                 r.interaction_id AS "interaction_id: InteractionId", r.user_sequence, r.input ->> 'message_id' AS message_id,
                 r.target_type, r.target_id, r.result, r.failure, r.tokens_in, r.tokens_out, r.total_cost_cents, r.provider, r.model_id,
                 r.ttft_ms, r.total_latency_ms, r.request_id, r.created_at, r.started_at, r.completed_at,
                 coalesce(NOT r.stream OR r.completed_at < now() - interval '50 minutes', false) AND r.completed_at IS NOT NULL AS "is_pruned!",
                 r.stream,
                 s.kind AS "step_kind?", s.status AS "step_status?", s.held_by AS "step_held_by?", s.delay_reason AS "step_delay_reason?",
                 s.available_at AS "step_until?", s.detail AS "step_detail?", s.tries AS "step_tries?",
                 s.max_attempts AS "step_max_attempts?",
                 s.kind IS NULL OR a_worker_knows(s.kind) AS "has_worker!",
                 a.scope AS "pause_scope?", a.key AS "pause_key?", a.reason AS "pause_reason?", a.until AS "pause_until?",
                 t.run_id AS "ahead_run_id?: RunId", t.count AS "ahead_count?",
                 i.role AS "said_role?", i.status AS "said_status?", i.content AS "said_content?", i.filtered AS "said_filtered?",
                 i.superseded_by AS "said_superseded_by?: InteractionId", i.sequence_number AS "said_sequence?", i.created_at AS "said_at?"
               FROM pipeline_runs r
               LEFT JOIN LATERAL (
                 SELECT p.kind, p.status, p.held_by, p.delay_reason, p.available_at, p.max_attempts, p.failures + p.crashes AS tries,
                   coalesce(p.delay_detail, p.error ->> 'message') AS detail
                 FROM pipeline_steps p WHERE p.run_id = r.id AND p.status NOT IN ('completed', 'skipped')
                 ORDER BY CASE p.status WHEN 'dead' THEN 0 WHEN 'running' THEN 1 WHEN 'ready' THEN 2 WHEN 'delayed' THEN 3 ELSE 4 END, p.stage
                 LIMIT 1
               ) s ON true
               LEFT JOIN LATERAL (
                 SELECT u.scope, u.key, u.reason, u.until FROM pauses u
                 WHERE (s.status = 'ready' OR s.held_by = 'pause') AND (u.until IS NULL OR u.until > now())
                   AND (u.scope, u.key) IN (('batch', r.batch_id::text), ('org', r.org_id::text), ('pipeline', r.pipeline), ('lane', r.behavior))
                 ORDER BY u.scope LIMIT 1
               ) a ON true
               LEFT JOIN LATERAL (
                 SELECT v.active_run_id AS run_id, (SELECT count(*) FROM pipeline_runs e WHERE e.session_id = r.session_id AND e.turn < r.turn
                     AND e.completed_at IS NULL) AS count
                 FROM sessions v WHERE s.held_by = 'turn' AND v.id = r.session_id AND v.org_id = r.org_id AND v.active_run_id IS NOT NULL
               ) t ON true
               LEFT JOIN interactions i ON i.id = r.target_id AND i.org_id = r.org_id AND r.target_type = 'interaction' "#
                + $where,
            $($argument),+
        )
    };
    ($($tail:tt)+) => {
        select!(@ $($tail)+)
    };
}

/// Reads a run, if this viewer may see it.
///
/// # Errors
/// If the database fails.
pub async fn get(tx: &mut OrgTx<'_>, id: RunId, viewer: Viewer) -> Result<Option<Run>, DatabaseError> {
    let org = tx.org().uuid();
    let query = select!(
        "WHERE r.id = $1 AND r.org_id = $2 AND (r.session_id IS NULL OR EXISTS
           (SELECT 1 FROM sessions v WHERE v.id = r.session_id AND v.org_id = r.org_id AND ($4 OR v.user_id = $3)))",
        id.uuid(),
        org,
        viewer.user_id.uuid(),
        viewer.sees_all
    );
    let row = query.fetch_optional(tx.connection()).await?;
    Ok(written::with(tx, row.into_iter().collect()).await?.pop())
}

/// These of a person's runs, without what they wrote, the oldest first.
///
/// # Errors
/// If the database fails.
pub async fn of_person(tx: &mut OrgTx<'_>, user: UserId, ids: &[RunId]) -> Result<Vec<RunRow>, DatabaseError> {
    let org = tx.org().uuid();
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let query =
        select!("WHERE r.id = ANY ($2) AND r.org_id = $1 AND r.user_id = $3 ORDER BY r.id", org, &ids, user.uuid());
    Ok(query.fetch_all(tx.connection()).await?)
}

/// A page of the runs that this viewer may see, newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut OrgTx<'_>,
    viewer: Viewer,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<Run>, DatabaseError> {
    let org = tx.org().uuid();
    let query = select!(
        "WHERE r.org_id = $1 AND r.id < coalesce($9, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
           AND ($4::text IS NULL OR r.status = $4) AND ($5::text IS NULL OR r.pipeline = $5)
           AND ($6::uuid IS NULL OR r.batch_id = $6) AND ($7::uuid IS NULL OR r.session_id = $7)
           AND (r.session_id IS NULL OR EXISTS
             (SELECT 1 FROM sessions v WHERE v.id = r.session_id AND v.org_id = r.org_id AND ($3 OR v.user_id = $2)))
         ORDER BY r.id DESC LIMIT $8",
        org,
        viewer.user_id.uuid(),
        viewer.sees_all,
        filter.status,
        filter.pipeline,
        filter.batch_id,
        filter.session_id.map(SessionId::uuid),
        limit,
        before.map(RunId::uuid)
    );
    let rows = query.fetch_all(tx.connection()).await?;
    written::with(tx, rows).await
}

/// How many runs [`list`] would give in all.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut OrgTx<'_>, viewer: Viewer, filter: &RunFilter) -> Result<Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
             SELECT 1 FROM pipeline_runs r WHERE r.org_id = $1
               AND ($4::text IS NULL OR r.status = $4) AND ($5::text IS NULL OR r.pipeline = $5)
               AND ($6::uuid IS NULL OR r.batch_id = $6) AND ($7::uuid IS NULL OR r.session_id = $7)
               AND (r.session_id IS NULL OR EXISTS
                 (SELECT 1 FROM sessions v WHERE v.id = r.session_id AND v.org_id = r.org_id AND ($3 OR v.user_id = $2)))
             LIMIT $8) c"#,
        tx.org().uuid(),
        viewer.user_id.uuid(),
        viewer.sees_all,
        filter.status,
        filter.pipeline,
        filter.batch_id,
        filter.session_id.map(SessionId::uuid),
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

impl RunRow {
    /// Whether it is in an end state.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.completed_at.is_some()
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let done = self.done.count_ones();
        let total = pipeline::find(&self.pipeline, self.pipeline_version)
            .map_or(self.made.count_ones(), |pipeline| u32::try_from(pipeline.stages.len()).unwrap_or(u32::MAX));
        let is_dead = self.step_status.as_deref() == Some("dead");
        Progress {
            stage: self.step_kind.as_deref().map(|kind| pipeline::stage_of_kind(kind).to_owned()),
            done,
            total,
            attempt: self.step_tries.map(|tries| i32::from(tries) + i32::from(!is_dead)),
            max_attempts: self.step_max_attempts.map(i32::from),
        }
    }

    /// What keeps it from moving; `None` when it moves, or has ended.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        if self.has_ended() {
            return None;
        }
        let pause = self.pause();
        let ahead = self.ahead();
        Waiting::of(&Stands {
            status: self.step_status.as_deref()?,
            held_by: self.step_held_by.as_deref(),
            delay_reason: self.step_delay_reason.as_deref(),
            delay_detail: self.step_detail.as_deref(),
            until: self.step_until,
            kind: self.step_kind.as_deref().unwrap_or_default(),
            has_worker: self.has_worker,
            pause: pause.as_ref(),
            ahead: ahead.as_ref(),
        })
    }

    /// The run of its session that goes first, if it waits for its turn.
    #[must_use]
    pub fn ahead(&self) -> Option<Ahead> {
        self.ahead_run_id.map(|run| Ahead { run, count: self.ahead_count.unwrap_or(1) })
    }

    /// What stands still that its step is of.
    #[must_use]
    pub fn pause(&self) -> Option<PauseSeen> {
        Some(PauseSeen {
            scope: self.pause_scope.clone()?,
            key: self.pause_key.clone()?,
            reason: self.pause_reason.clone()?,
            until: self.pause_until,
        })
    }
}
