//! Sweep: what is live of a batch that is being cancelled is cancelled, a group at a time, and waits for nobody; then what waited;
//! then the dead letters of what had failed, which can't be redriven any more.

use uuid::Uuid;

use super::admit::Batch;
use super::retry;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::queue::finish::{self, EndedRun};
use crate::queue::{Wakes, settle};
use crate::run::{RunStatus, StatusReason};

/// So many waiting items are cancelled, and so many dead letters closed, in one transaction.
const WAITING: i64 = 5_000;
const LETTERS: i64 = 500;

/// Cancels up to `limit` of the batch's live runs; returns how many. One whose row is held by a settlement is left to the next
/// look.
pub(super) async fn cancel_live(
    tx: &mut Tx,
    batch: &Batch,
    limit: i64,
    wakes: &mut Wakes,
) -> Result<usize, DatabaseError> {
    let runs: Vec<Uuid> = sqlx::query_scalar!(
        r#"SELECT run_id AS "run_id!" FROM batch_items WHERE batch_id = $1 AND status = 'admitted' AND run_id IS NOT NULL LIMIT $2"#,
        batch.id.uuid(),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut locked = settle::lock_free_runs(tx, &runs).await?;
    let live = locked.iter_mut().filter(|run| !run.status.has_ended());
    let ended: Vec<EndedRun> = live
        .map(|run| {
            wakes.cancels.push(run.id);
            EndedRun::folded(run, RunStatus::Cancelled, Some(StatusReason::Batch), None, None)
        })
        .collect();
    finish::finish(tx, &ended, wakes).await?;
    Ok(ended.len())
}

/// Cancels a group of the batch's waiting items; returns how many. One that waited for a retry failed before, and stays so.
pub(super) async fn cancel_waiting(tx: &mut Tx, batch: &Batch) -> Result<usize, DatabaseError> {
    let done = sqlx::query!(
        // By their place in the table: the batch's lock keeps them there, and no plan can read all items for a group.
        "UPDATE batch_items i SET status = CASE WHEN i.run_id IS NULL THEN 'cancelled' ELSE 'failed' END, ended_at = clock_timestamp()
         WHERE i.ctid = ANY (ARRAY(SELECT ctid FROM batch_items WHERE batch_id = $1 AND status = 'waiting' ORDER BY n LIMIT $2))
           AND i.status = 'waiting'",
        batch.id.uuid(),
        WAITING,
    )
    .execute(tx.connection())
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Closes a group of the open dead letters of the batch's failed items: nobody can redrive them. Returns how many there were, and
/// how many of them are closed; a run whose row is held is left to the next look.
pub(super) async fn close_dead_letters(tx: &mut Tx, batch: &Batch) -> Result<(usize, usize), DatabaseError> {
    let open: Vec<Uuid> = sqlx::query_scalar!(
        r#"SELECT i.run_id AS "run_id!" FROM batch_items i
           WHERE i.batch_id = $1 AND i.status = 'failed' AND EXISTS (
             SELECT 1 FROM dead_letter_queue d WHERE d.pipeline_run_id = i.run_id AND d.status IN ('pending', 'investigating'))
           LIMIT $2"#,
        batch.id.uuid(),
        LETTERS,
    )
    .fetch_all(tx.connection())
    .await?;
    let locked = settle::lock_free_runs(tx, &open).await?;
    let runs: Vec<Uuid> = locked.iter().map(|run| run.id.uuid()).collect();
    retry::give_up(tx, &runs, "batch").await?;
    Ok((open.len(), runs.len()))
}
