//! Redrive: `failed -> queued`. The dead letter is closed, and the run lives another generation. Resume keeps what
//! is finished.

use serde_json::json;

use super::journal::{self, StreamEvent};
use super::settle::LockedRun;
use super::{Wakes, batch, gate, rank, settle};
use crate::batch::BatchStatus;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId, RunId, SessionId};
use crate::run::{Lane, RunStatus};
use crate::stream::seq;

/// What became of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redriven {
    /// The run lives again.
    Resumed {
        /// Its life.
        generation: i32,
    },
    /// It was not failed, or its dead letter is closed.
    InvalidState(RunStatus),
    /// There is no such run.
    NotFound,
}

/// Resumes a failed run of an organisation: finished stages stand, all others run again with nothing counted.
/// `actor` is who asked, for the record. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn resume(db: &Database, org: OrgId, run: RunId, actor: &str) -> Result<(Redriven, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let found = sqlx::query!(
        r#"SELECT session_id AS "session_id: SessionId", batch_id AS "batch_id: BatchId", lane FROM pipeline_runs
           WHERE id = $1 AND org_id = $2"#,
        run.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(found) = found else { return Ok((Redriven::NotFound, wakes)) };
    let lane = Lane::from_number(found.lane)?;
    if let Some(session) = found.session_id {
        sqlx::query!("SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session.uuid())
            .fetch_optional(tx.connection())
            .await?;
    }
    let mut batch = match found.batch_id {
        Some(batch) => batch::lock(&mut tx, org, batch).await?,
        None => None,
    };
    let Some(locked) = settle::lock_run(&mut tx, run).await? else { return Ok((Redriven::NotFound, wakes)) };
    if batch.as_ref().is_some_and(|batch| matches!(batch.status, BatchStatus::Cancelling | BatchStatus::Cancelled)) {
        return Ok((Redriven::InvalidState(locked.status), wakes));
    }
    if locked.status != RunStatus::Failed || !close_dead_letter(&mut tx, run, locked.generation, actor).await? {
        return Ok((Redriven::InvalidState(locked.status), wakes));
    }
    let waits = match found.session_id {
        Some(session) if locked.turn.is_some() => gate::enter(&mut tx, session, run).await?,
        _ => false,
    };
    if let Some(batch) = &mut batch {
        batch.take_back(&mut tx, run).await?;
    }
    let generation = revive(&mut tx, &locked, lane, waits).await?;
    if !waits {
        wakes.lane(lane);
    }
    wakes.stream(run);
    tx.commit().await?;
    Ok((Redriven::Resumed { generation }, wakes))
}

/// What became of the redrive of a batch's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfBatch {
    /// Its run lives again.
    Revived,
    /// Somebody holds it: to be looked at again.
    Locked,
    /// It can't be redriven any more, or was pruned.
    Gone,
}

/// Resumes a failed run of a batch's waiting item. The caller holds the batch's lock, and waits for no run.
pub(super) async fn of_batch(tx: &mut Tx, org: OrgId, run: RunId) -> Result<OfBatch, DatabaseError> {
    let locked = settle::lock_free_runs(tx, &[run.uuid()]).await?;
    let Some(locked) = locked.into_iter().next().filter(|locked| locked.org_id == org) else {
        return Ok(if exists(tx, org, run).await? { OfBatch::Locked } else { OfBatch::Gone });
    };
    if locked.status != RunStatus::Failed || !close_dead_letter(tx, run, locked.generation, "batch").await? {
        return Ok(OfBatch::Gone);
    }
    batch::take_item_back(tx, run).await?;
    revive(tx, &locked, Lane::Bulk, false).await?;
    Ok(OfBatch::Revived)
}

async fn exists(tx: &mut Tx, org: OrgId, run: RunId) -> Result<bool, DatabaseError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pipeline_runs WHERE id = $1 AND org_id = $2) AS "found!""#,
        run.uuid(),
        org.uuid(),
    );
    Ok(found.fetch_one(tx.connection()).await?)
}

/// A failed run lives again: its steps, its row, and what its followers are told. The caller holds its lock. Returns its life.
async fn revive(tx: &mut Tx, locked: &LockedRun, lane: Lane, waits: bool) -> Result<i32, DatabaseError> {
    let (org, run) = (locked.org_id, locked.id);
    let rank = rank::take(tx.connection(), org, lane, 1).await?.start;
    revive_steps(tx, run, lane, rank, waits).await?;
    revive_run(tx, run, rank).await?;
    let generation = locked.generation + 1;
    if locked.stream {
        let data = json!({"generation": generation});
        let redriven = StreamEvent::new(run, org, seq(locked.major + 1, 0), "run.redriven", data);
        journal::write_stream(tx.connection(), &[redriven]).await?;
    }
    Ok(generation)
}

async fn close_dead_letter(tx: &mut Tx, run: RunId, generation: i32, actor: &str) -> Result<bool, DatabaseError> {
    let closed = sqlx::query!(
        "UPDATE dead_letter_queue SET status = 'resolved', resolution = 'redriven', resolved_at = clock_timestamp(), resolved_by_actor = $3,
           retry_count = retry_count + 1, last_retry_at = clock_timestamp(), updated_at = clock_timestamp()
         WHERE pipeline_run_id = $1 AND generation = $2 AND status IN ('pending', 'investigating')",
        run.uuid(),
        generation,
        actor,
    )
    .execute(tx.connection())
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// A running one thereby loses its token: `running` is left, and a claim makes a new one.
async fn revive_steps(tx: &mut Tx, run: RunId, lane: Lane, rank: i64, waits: bool) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE pipeline_steps SET status = CASE WHEN $3 THEN 'held' ELSE 'ready' END, held_by = CASE WHEN $3 THEN 'turn' END,
           fair_rank = greatest($2, queue_v(lane)), deadline_at = clock_timestamp() + $4::bigint * interval '1 ms',
           failures = 0, crashes = 0, snoozes = 0, error = NULL, ended_at = NULL, available_at = NULL, delay_reason = NULL,
           lease_token = NULL, worker_id = NULL, claimed_at = NULL, must_end_by = NULL
         WHERE run_id = $1 AND status IN ('dead', 'held', 'running')",
        run.uuid(),
        rank,
        waits,
        lane.deadline_ms(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn revive_run(tx: &mut Tx, run: RunId, rank: i64) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE pipeline_runs SET status = 'queued', status_reason = NULL, failure = NULL, error = NULL, error_code = NULL, result = NULL,
           completed_at = NULL, total_latency_ms = NULL, end_token = NULL, generation = generation + 1, fair_rank = $2,
           stream_major = stream_major + 1
         WHERE id = $1",
        run.uuid(),
        rank,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
