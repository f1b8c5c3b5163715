//! Retry: what failed in a batch is tried again, in a new round if the last one has ended.

use uuid::Uuid;

use super::Changed;
use super::lock::lock;
use crate::batch::BatchStatus;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId};
use crate::queue::Wakes;

/// Lets the failed items of a batch be admitted again: their runs are redriven, and what they had finished stands. A completed
/// batch begins a new round; a running or paused one goes on in its own; one that waits for its approval writes the failed ones
/// of its sample again, once it is resumed if it was paused meanwhile. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn retry_failed(
    db: &Database,
    org: OrgId,
    batch: BatchId,
    _actor: &str,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let Some(mut locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    if matches!(locked.status, BatchStatus::Cancelling | BatchStatus::Cancelled) {
        return Ok((Changed::InvalidState(locked.status), Wakes::default()));
    }
    let failed = sqlx::query!(
        "UPDATE batch_items SET status = 'waiting', ended_at = NULL WHERE batch_id = $1 AND status = 'failed'",
        batch.uuid(),
    )
    .execute(tx.connection())
    .await?;
    if failed.rows_affected() == 0 {
        // Nothing failed, or it is being tried again already.
        let changed = match locked.status {
            BatchStatus::Running | BatchStatus::Paused => Changed::Before,
            status => Changed::InvalidState(status),
        };
        return Ok((changed, Wakes::default()));
    }
    match locked.status {
        BatchStatus::Completed => locked.begin_round(&mut tx).await?,
        BatchStatus::AwaitingApproval => locked.become_status(&mut tx, BatchStatus::Running).await?,
        BatchStatus::Paused if locked.paused_from == Some(BatchStatus::AwaitingApproval) => {
            locked.resume_as(&mut tx, BatchStatus::Running).await?;
        }
        _ => {}
    }
    tx.commit().await?;
    Ok((Changed::Now, Wakes { batches: true, ..Wakes::default() }))
}

impl super::lock::LockedBatch {
    /// A batch that was completed has something to do again.
    pub(in crate::queue) async fn begin_round(&mut self, tx: &mut Tx) -> Result<(), DatabaseError> {
        sqlx::query!("UPDATE email_batches SET round = round + 1 WHERE id = $1", self.id.uuid())
            .execute(tx.connection())
            .await?;
        self.round += 1;
        self.become_status(tx, BatchStatus::Running).await
    }
}

/// Failed runs that won't be redriven: their dead letters are closed, and their steps go. The caller holds their locks.
pub(super) async fn give_up(tx: &mut Tx, runs: &[Uuid], actor: &str) -> Result<(), DatabaseError> {
    if runs.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE dead_letter_queue SET status = 'resolved', resolution = 'wont_fix', resolved_at = clock_timestamp(), resolved_by_actor = $2,
           next_retry_at = NULL, updated_at = clock_timestamp()
         WHERE pipeline_run_id = ANY($1) AND status IN ('pending', 'investigating')",
        runs,
        actor,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!("DELETE FROM pipeline_steps WHERE run_id = ANY($1)", runs).execute(tx.connection()).await?;
    Ok(())
}
