//! Sweep: what is live of a batch that is being cancelled is cancelled, a group at a time, and waits for nobody.

use uuid::Uuid;

use super::admit::Batch;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::queue::finish::{self, EndedRun};
use crate::queue::{Wakes, settle};
use crate::run::{RunStatus, StatusReason};

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
