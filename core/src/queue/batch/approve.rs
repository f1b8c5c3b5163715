//! Approve and resample: what a user says to a sample.

use super::Changed;
use super::lock::lock;
use crate::batch::BatchStatus;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId};
use crate::queue::Wakes;

/// Lets the rest of a batch be written, now that its sample is. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn approve(
    db: &Database,
    org: OrgId,
    batch: BatchId,
    _actor: &str,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let Some(mut locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    let was_approved = locked.has_sample
        && locked.is_approved
        && matches!(locked.status, BatchStatus::Running | BatchStatus::Completed);
    if was_approved {
        return Ok((Changed::Before, Wakes::default()));
    }
    if locked.status != BatchStatus::AwaitingApproval {
        return Ok((Changed::InvalidState(locked.status), Wakes::default()));
    }
    sqlx::query!("UPDATE email_batches SET is_approved = true WHERE id = $1", batch.uuid())
        .execute(tx.connection())
        .await?;
    locked.become_status(&mut tx, BatchStatus::Running).await?;
    tx.commit().await?;
    Ok((Changed::Now, Wakes { batches: true, ..Wakes::default() }))
}

/// Writes the sample anew, for the same clients, by runs of their own with what the batch says now. An item whose run is live
/// (it was retried by itself) stays. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn resample(
    db: &Database,
    org: OrgId,
    batch: BatchId,
    actor: &str,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let Some(mut locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    match locked.status {
        BatchStatus::AwaitingApproval => {}
        BatchStatus::Running if locked.has_sample && !locked.is_approved => {
            return Ok((Changed::Before, Wakes::default()));
        }
        status => return Ok((Changed::InvalidState(status), Wakes::default())),
    }
    close_dead_letters(&mut tx, batch, actor).await?;
    sqlx::query!(
        "UPDATE batch_items SET status = 'waiting', run_id = NULL, ended_at = NULL
         WHERE batch_id = $1 AND sampled AND status IN ('completed', 'failed', 'cancelled')",
        batch.uuid(),
    )
    .execute(tx.connection())
    .await?;
    locked.become_status(&mut tx, BatchStatus::Running).await?;
    tx.commit().await?;
    Ok((Changed::Now, Wakes { batches: true, ..Wakes::default() }))
}

/// A failed run of the sample gives way to a new one: it can't be redriven any more, since its client has one email.
async fn close_dead_letters(tx: &mut Tx, batch: BatchId, actor: &str) -> Result<(), DatabaseError> {
    let runs = sqlx::query_scalar!(
        r#"SELECT r.id FROM pipeline_runs r
           WHERE r.id = ANY(ARRAY(SELECT i.run_id FROM batch_items i WHERE i.batch_id = $1 AND i.sampled AND i.status = 'failed'))
           ORDER BY r.id FOR NO KEY UPDATE"#,
        batch.uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    super::retry::give_up(tx, &runs, actor).await
}
