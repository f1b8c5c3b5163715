//! An item whose run lives again.

use super::lock::LockedBatch;
use crate::batch::BatchStatus;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::RunId;

impl LockedBatch {
    /// One of its runs is redriven by itself: a completed batch has something to do again.
    pub(in crate::queue) async fn take_back(&mut self, tx: &mut Tx, run: RunId) -> Result<(), DatabaseError> {
        take_item_back(tx, run).await?;
        if self.status == BatchStatus::Completed {
            self.begin_round(tx).await?;
        }
        Ok(())
    }
}

/// The item is live again. Its cost is that of its ended runs, so this run's goes off it until it ends. The caller holds the
/// locks of batch and run.
pub(in crate::queue) async fn take_item_back(tx: &mut Tx, run: RunId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE batch_items i SET status = 'admitted', ended_at = NULL, cost_cents = i.cost_cents - r.total_cost_cents
         FROM pipeline_runs r WHERE r.id = $1 AND i.batch_id = r.batch_id AND i.n = r.batch_n AND i.run_id = r.id
           AND i.status IN ('failed', 'waiting')",
        run.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
