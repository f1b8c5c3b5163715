//! Leases: a worker's row says until when it may be trusted to live; a step's token says whose it is. Time decides
//! only who may steal, the token who may write.

use std::sync::Arc;

use sqlx::PgExecutor;
use sqlx::postgres::PgConnection;

use super::Wakes;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{LeaseToken, RunId, WorkerId};
use crate::run::Lane;

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct Beat {
    /// The worker.
    pub worker: WorkerId,
    /// Where it runs.
    pub host: String,
    /// Its process.
    pub pid: i32,
    /// Its build.
    pub version: String,
    /// How many steps it may run at once.
    pub slots: i32,
    /// How long it may be silent.
    pub lease_ms: i64,
    /// It claims nothing more.
    pub draining: bool,
    /// And nothing runs there any more.
    pub drained: bool,
    /// What its program knows: `chat@1/llm`.
    pub kinds: Arc<[String]>,
}

/// The connection that a worker beats on: its own, so that no other work delays a beat.
pub type BeatConnection = PgConnection;

/// Renews a worker's lease; a row that was pruned while the process slept comes back. Returns whether it is to drain: it said
/// so itself, or an operator did.
///
/// # Errors
/// If the server can't be reached.
pub async fn beat(connection: &mut PgConnection, beat: &Beat) -> Result<bool, DatabaseError> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO workers AS w (id, host, pid, version, slots, lease_until, draining, drained, kinds)
         VALUES ($1, $2, $3, $4, $5, now() + $6::bigint * interval '1 ms', $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, draining = w.draining OR excluded.draining,
           drained = excluded.drained
         RETURNING draining",
        beat.worker.uuid(),
        beat.host,
        beat.pid,
        beat.version,
        beat.slots,
        beat.lease_ms,
        beat.draining,
        beat.drained,
        &beat.kinds[..],
    )
    .fetch_one(connection)
    .await?)
}

/// A step that runs under a worker, as the database sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owned {
    /// The run.
    pub run_id: RunId,
    /// The stage's place in its graph.
    pub stage: i16,
    /// The fence.
    pub token: LeaseToken,
}

/// What runs under a worker.
///
/// # Errors
/// If the server can't be reached.
pub async fn owned(db: impl PgExecutor<'_>, worker: WorkerId) -> Result<Vec<Owned>, DatabaseError> {
    Ok(sqlx::query_as!(
        Owned,
        r#"SELECT run_id AS "run_id: RunId", stage, lease_token AS "token!: LeaseToken" FROM pipeline_steps
           WHERE worker_id = $1 AND status = 'running'"#,
        worker.uuid()
    )
    .fetch_all(db)
    .await?)
}

/// Gives back a step that this worker owns without knowing it: a commit landed after it had looked for it, or a
/// crash of the database forgot a reap. Nothing is counted.
///
/// # Errors
/// If the server can't be reached.
pub async fn give_back(db: &Database, worker: WorkerId, step: Owned) -> Result<Wakes, DatabaseError> {
    let mut wakes = Wakes::default();
    let lane = sqlx::query_scalar!(
        "WITH d AS MATERIALIZED (
           SELECT s.run_id, s.stage, r.status AS run_status FROM pipeline_steps s JOIN pipeline_runs r ON r.id = s.run_id
           WHERE s.run_id = $1 AND s.stage = $2 AND s.lease_token = $3 AND s.worker_id = $4 AND s.status = 'running'
           FOR NO KEY UPDATE OF s, r SKIP LOCKED)
         UPDATE pipeline_steps t SET status = CASE d.run_status WHEN 'failed' THEN 'held' ELSE 'ready' END,
           held_by = CASE d.run_status WHEN 'failed' THEN 'failed' END,
           lease_token = NULL, worker_id = NULL, claimed_at = NULL, must_end_by = NULL, fair_rank = greatest(t.fair_rank, queue_v(t.lane))
         FROM d WHERE t.run_id = d.run_id AND t.stage = d.stage RETURNING t.lane",
        step.run_id.uuid(),
        step.stage,
        step.token.uuid(),
        worker.uuid(),
    )
    .fetch_optional(db.fast())
    .await?;
    if let Some(lane) = lane {
        wakes.lane(Lane::from_number(lane)?);
    }
    Ok(wakes)
}

/// Ends a worker's lease at once: it has nothing left and goes. Its row is pruned with the others.
///
/// # Errors
/// If the server can't be reached.
pub async fn leave(db: impl PgExecutor<'_>, worker: WorkerId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "DELETE FROM workers w WHERE w.id = $1 AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.worker_id = w.id AND s.status = 'running')",
        worker.uuid()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes or renews a duty that one worker does at a time, for `hold_ms`. Two at once would be harmless.
///
/// # Errors
/// If the server can't be reached.
pub async fn hold_duty(
    db: impl PgExecutor<'_>,
    name: &str,
    worker: WorkerId,
    hold_ms: i64,
) -> Result<bool, DatabaseError> {
    let held = sqlx::query_scalar!(
        r#"INSERT INTO leases AS l (name, holder, until) VALUES ($1, $2, now() + $3::bigint * interval '1 ms')
           ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
           WHERE l.holder = excluded.holder OR l.until < now() RETURNING true AS "held!""#,
        name,
        worker.uuid(),
        hold_ms,
    )
    .fetch_optional(db)
    .await?;
    Ok(held.unwrap_or(false))
}
