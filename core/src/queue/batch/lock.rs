//! The batch's row, locked: what is decided is decided on a row that nobody else can change.

use crate::batch::BatchStatus;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId};

/// An admitter that says nothing for this long while it holds a batch is frozen, and loses it: whoever pauses or cancels the
/// batch waits for its row no longer than two seconds (`lock_timeout`).
pub(super) const FROZEN: &str = "1200ms";

/// A batch whose row this transaction holds.
#[derive(Debug)]
pub(in crate::queue) struct LockedBatch {
    pub(in crate::queue) id: BatchId,
    pub(in crate::queue) status: BatchStatus,
    pub(super) paused_from: Option<BatchStatus>,
    pub(super) round: i32,
    pub(super) has_sample: bool,
    pub(super) is_approved: bool,
}

/// Bounds how long this transaction may hold what it locks without a word.
pub(super) async fn release_if_frozen(tx: &mut Tx) -> Result<(), DatabaseError> {
    sqlx::query!("SELECT set_config('idle_in_transaction_session_timeout', $1, true)", FROZEN)
        .fetch_one(tx.connection())
        .await?;
    Ok(())
}

/// Locks a batch of an organisation, waiting. Its runs are locked after it.
pub(in crate::queue) async fn lock(
    tx: &mut Tx,
    org: OrgId,
    batch: BatchId,
) -> Result<Option<LockedBatch>, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT status, paused_from, round, sample IS NOT NULL AS "has_sample!", is_approved FROM email_batches
           WHERE id = $1 AND org_id = $2 FOR NO KEY UPDATE"#,
        batch.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(LockedBatch {
            id: batch,
            status: BatchStatus::parse(&row.status)?,
            paused_from: row.paused_from.as_deref().map(BatchStatus::parse).transpose()?,
            round: row.round,
            has_sample: row.has_sample,
            is_approved: row.is_approved,
        })
    })
    .transpose()
}

impl LockedBatch {
    /// Moves it on. A batch that leaves its pause says no more why it waited.
    pub(super) async fn become_status(&mut self, tx: &mut Tx, status: BatchStatus) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE email_batches SET status = $2, paused_from = NULL, waiting = NULL, completed_at = NULL,
               updated_at = clock_timestamp() WHERE id = $1",
            self.id.uuid(),
            status.as_str(),
        )
        .execute(tx.connection())
        .await?;
        self.status = status;
        Ok(())
    }

    /// A paused batch will go on as this when it is resumed.
    pub(super) async fn resume_as(&mut self, tx: &mut Tx, status: BatchStatus) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE email_batches SET paused_from = $2, updated_at = clock_timestamp() WHERE id = $1",
            self.id.uuid(),
            status.as_str(),
        )
        .execute(tx.connection())
        .await?;
        self.paused_from = Some(status);
        Ok(())
    }
}
