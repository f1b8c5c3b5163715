//! Reap: steps of workers whose lease has expired, and steps that hang past `must_end_by`. A crash, not a failure;
//! the third one is a death, settled alone (`protocol.md` 4).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fail::Reaped as ReapedDeath;
use super::journal::{self, WideEvent};
use super::lease::Owned;
use super::settle;
use super::{Wakes, fail, finish};
use crate::database::Database;
use crate::dead_letter::Automatic;
use crate::error::{DatabaseError, ErrorCode, Failure};
use crate::id::{LeaseToken, OrgId, RunId, SessionId, WorkerId};
use crate::run::Lane;

/// How many steps one reap takes.
const GROUP: i64 = 500;

/// A worker that has been silent for longer than its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredWorker {
    /// The worker.
    pub worker: WorkerId,
    /// When its lease ended: unchanged one beat later, it is dead.
    pub lease_until: DateTime<Utc>,
}

/// Workers whose lease has expired and that own a step or an open call, if the database has been up for longer than a
/// lease: an outage of the database must not reap the fleet. Those that own nothing are not looked at again and again
/// until they are pruned: the next to die would wait behind them.
///
/// # Errors
/// If the server can't be reached.
pub async fn expired(db: &Database, lease_ms: i64) -> Result<Vec<ExpiredWorker>, DatabaseError> {
    Ok(sqlx::query_as!(
        ExpiredWorker,
        r#"SELECT w.id AS "worker: WorkerId", w.lease_until FROM workers w
           WHERE w.lease_until < now() AND now() - pg_postmaster_start_time() > $1::bigint * interval '1 ms'
             AND (EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.worker_id = w.id)
               OR EXISTS (SELECT 1 FROM provider_calls c WHERE c.worker_id = w.id AND c.completed_at IS NULL))
           LIMIT 1000"#,
        lease_ms
    )
    .fetch_all(db.fast())
    .await?)
}

/// What a reap took.
#[derive(Debug, Default)]
pub struct Reaped {
    /// What was taken: the open provider calls of these steps are to be closed. Not those of their tokens, which
    /// other steps of the same claim may still run under.
    pub steps: Vec<Owned>,
    /// Whom to wake.
    pub wakes: Wakes,
    /// It was a full group, or some were locked by others: there is more.
    pub more: bool,
}

/// Takes up to 500 steps from a dead worker. Those with two crashes stay: see [`doomed`].
///
/// # Errors
/// If the server can't be reached.
pub async fn reap(db: &Database, dead: WorkerId) -> Result<Reaped, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let rows = sqlx::query_file_as!(Row, "src/queue/reap.sql", dead.uuid(), GROUP).fetch_all(tx.connection()).await?;
    journal::write_wide(tx.connection(), &rows.iter().map(Row::wide).collect::<Vec<_>>()).await?;
    // A row that somebody held for a moment must not wait for the next probe.
    let more = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.worker_id = $1 AND s.status = 'running' AND s.crashes < 2) AS "more!""#,
        dead.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(Reaped { more, ..collect(rows)? })
}

/// A step that should have ended by now although its worker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Overdue {
    /// The fence.
    pub token: LeaseToken,
    /// Its run: a token is one claim's, and a claim may bring many steps.
    pub run_id: RunId,
    /// The stage's place in its graph.
    pub stage: i16,
    /// Whose it is.
    pub worker: WorkerId,
}

/// Steps past `must_end_by` of workers whose lease holds, if the database has been up for longer than a lease. To
/// be taken only from a worker whose beat has been unbroken for a lease: after an outage, results that are on
/// their way keep their owners.
///
/// # Errors
/// If the server can't be reached.
pub async fn overdue(db: &Database, lease_ms: i64) -> Result<Vec<Overdue>, DatabaseError> {
    Ok(sqlx::query_as!(
        Overdue,
        r#"SELECT s.lease_token AS "token!: LeaseToken", s.run_id AS "run_id: RunId", s.stage, s.worker_id AS "worker!: WorkerId"
           FROM pipeline_steps s JOIN workers w ON w.id = s.worker_id
           WHERE s.worker_id IS NOT NULL AND s.must_end_by < now() AND w.lease_until > now()
             AND now() - pg_postmaster_start_time() > $1::bigint * interval '1 ms' LIMIT 500"#,
        lease_ms
    )
    .fetch_all(db.fast())
    .await?)
}

/// Takes a step that hangs. With two crashes it stays: see [`doom`].
///
/// # Errors
/// If the server can't be reached.
pub async fn reap_overdue(db: &Database, step: Overdue) -> Result<Reaped, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let rows =
        sqlx::query_file_as!(Row, "src/queue/reap_overdue.sql", step.run_id.uuid(), step.stage, step.token.uuid())
            .fetch_all(tx.connection())
            .await?;
    journal::write_wide(tx.connection(), &rows.iter().map(Row::wide).collect::<Vec<_>>()).await?;
    tx.commit().await?;
    collect(rows)
}

fn collect(rows: Vec<Row>) -> Result<Reaped, DatabaseError> {
    let mut reaped = Reaped::default();
    for row in rows {
        reaped.steps.push(Owned { run_id: row.run_id, stage: row.stage, token: row.token });
        reaped.wakes.lane(Lane::from_number(row.lane)?);
    }
    Ok(reaped)
}

struct Row {
    run_id: RunId,
    stage: i16,
    org_id: OrgId,
    kind: String,
    lane: i16,
    token: LeaseToken,
    epoch: i32,
    worker_id: WorkerId,
    claimed_at: DateTime<Utc>,
    attempt: i32,
    generation: i32,
    request_id: Option<String>,
    session_id: Option<Uuid>,
    user_id: Option<Uuid>,
    now: DateTime<Utc>,
}

impl Row {
    fn wide(&self) -> WideEvent {
        WideEvent {
            run: self.run_id,
            org: self.org_id,
            request_id: self.request_id.clone(),
            session: self.session_id,
            user: self.user_id,
            event: "stage.wide",
            data: crash(self),
        }
    }
}

fn crash(row: &Row) -> Value {
    json!({
        "stage": crate::pipeline::stage_of_kind(&row.kind),
        "stage_number": row.stage,
        "status": "crash",
        "attempt": row.attempt,
        "epoch": row.epoch,
        "generation": row.generation,
        "worker_id": row.worker_id,
        "token": row.token,
        "claimed_at": row.claimed_at,
        "ended_at": row.now,
        "duration_ms": journal::duration_ms(row.claimed_at, row.now),
        "error_code": ErrorCode::LeaseExpired,
    })
}

/// A step that has taken two workers with it and lost a third.
#[derive(Debug, Clone, Copy)]
pub struct Doomed {
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub org_id: OrgId,
    /// The session, whose lock comes first.
    pub session_id: Option<SessionId>,
    /// The stage's place in its graph.
    pub stage: i16,
    /// The fence.
    pub token: LeaseToken,
}

/// A dead worker's steps that have no crash left, and steps past `must_end_by` likewise.
///
/// # Errors
/// If the server can't be reached.
pub async fn doomed(db: &Database, worker: WorkerId) -> Result<Vec<Doomed>, DatabaseError> {
    Ok(sqlx::query_as!(
        Doomed,
        r#"SELECT s.run_id AS "run_id: RunId", s.org_id AS "org_id: OrgId", r.session_id AS "session_id: SessionId", s.stage,
             s.lease_token AS "token!: LeaseToken"
           FROM pipeline_steps s JOIN pipeline_runs r ON r.id = s.run_id
           WHERE s.worker_id = $1 AND s.status = 'running' AND s.crashes >= 2 LIMIT 500"#,
        worker.uuid()
    )
    .fetch_all(db.fast())
    .await?)
}

/// Settles a doomed step as a failure, alone, by the token seen, and only if its worker's lease is still expired
/// (or its time still over) in this transaction. False: it was not.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn doom(db: &Database, step: Doomed, automatic: &Automatic) -> Result<(bool, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    let mut tx = db.begin().await?;
    tx.enter(step.org_id).await?;
    if let Some(session) = step.session_id {
        sqlx::query!("SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session.uuid())
            .fetch_optional(tx.connection())
            .await?;
    }
    let Some(mut run) = settle::lock_run(&mut tx, step.run_id).await? else { return Ok((false, wakes)) };
    let failure = Failure::new(ErrorCode::LeaseExpired, "three workers were lost while they worked on this stage");
    let dead = sqlx::query_file_as!(
        Row,
        "src/queue/doom.sql",
        step.run_id.uuid(),
        step.stage,
        step.token.uuid(),
        serde_json::to_value(&failure)?,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(dead) = dead else { return Ok((false, wakes)) };
    let mut ended = Vec::new();
    let attempt = i16::try_from(dead.attempt).unwrap_or(i16::MAX);
    let death =
        ReapedDeath { run: &mut run, kind: &dead.kind, attempt, token: step.token, failure: &failure, automatic };
    death.settle(&mut tx, &mut ended).await?;
    journal::write_wide(tx.connection(), &[dead.wide()]).await?;
    fail::record_attempts(&mut tx, &[step.run_id.uuid()]).await?;
    finish::finish(&mut tx, &ended, &mut wakes).await?;
    tx.commit().await?;
    Ok((true, wakes))
}
