//! Cancel: from here on nothing more is admitted, and what waits reads as cancelled. What is live, and then the rows of what
//! waits, are cancelled by whoever admits, group by group, so that a hundred thousand items hold nobody up, and that it goes on
//! when the api dies.

use super::lock::lock;
use super::{Changed, pause};
use crate::batch::BatchStatus;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId};
use crate::queue::Wakes;

/// Cancels a batch: running, paused or waiting for its approval. An item that waited for a retry failed before, and stays so.
/// After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn cancel(
    db: &Database,
    org: OrgId,
    batch: BatchId,
    _actor: &str,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let Some(mut locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    match locked.status {
        BatchStatus::Cancelling | BatchStatus::Cancelled => return Ok((Changed::Before, Wakes::default())),
        BatchStatus::Completed => return Ok((Changed::InvalidState(BatchStatus::Completed), Wakes::default())),
        BatchStatus::Running | BatchStatus::Paused | BatchStatus::AwaitingApproval => {}
    }
    locked.become_status(&mut tx, BatchStatus::Cancelling).await?;
    pause::remove(&mut tx, batch).await?;
    // It is the next that admission looks at.
    sqlx::query!("UPDATE email_batches SET admitted_at = 'epoch' WHERE id = $1", batch.uuid())
        .execute(tx.connection())
        .await?;
    tx.commit().await?;
    Ok((Changed::Now, Wakes { batches: true, ..Wakes::default() }))
}
