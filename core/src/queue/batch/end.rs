//! End: a batch's round is over. Once a round, by compare-and-set, with the summary event.

use super::Changed;
use super::lock::{lock, release_if_frozen};
use crate::batch::BatchStatus;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, EventId, OrgId};
use crate::queue::Wakes;

/// Ends a round if nothing of it waits or is live: `completed`, `cancelled`, or, after a sample, `awaiting_approval`.
/// `Before`: there is something to do again, or somebody else has ended it.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn end(db: &Database, org: OrgId, batch: BatchId, round: i32) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    release_if_frozen(&mut tx).await?;
    let Some(mut locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    let cancelling = locked.status == BatchStatus::Cancelling;
    if locked.round != round || !matches!(locked.status, BatchStatus::Running | BatchStatus::Cancelling) {
        return Ok((Changed::Before, Wakes::default()));
    }
    let awaits = locked.has_sample && !locked.is_approved && !cancelling;
    let open = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM batch_items WHERE batch_id = $1 AND status = 'admitted')
             OR EXISTS (SELECT 1 FROM batch_items WHERE $2 AND batch_id = $1 AND status = 'waiting')
             OR EXISTS (SELECT 1 FROM batch_items WHERE NOT $2 AND batch_id = $1 AND status = 'waiting' AND sampled) AS "open!""#,
        batch.uuid(),
        !awaits,
    )
    .fetch_one(tx.connection())
    .await?;
    if open {
        return Ok((Changed::Before, Wakes::default()));
    }
    if awaits {
        locked.become_status(&mut tx, BatchStatus::AwaitingApproval).await?;
    } else {
        let status = if cancelling { BatchStatus::Cancelled } else { BatchStatus::Completed };
        complete(&mut tx, batch, status).await?;
    }
    tx.commit().await?;
    Ok((Changed::Now, Wakes { batches: true, ..Wakes::default() }))
}

/// The end, and its event: counts and cost as they are now.
async fn complete(tx: &mut Tx, batch: BatchId, status: BatchStatus) -> Result<(), DatabaseError> {
    sqlx::query!(
        "WITH b AS (
           UPDATE email_batches SET status = $2, waiting = NULL, completed_at = clock_timestamp(), updated_at = clock_timestamp()
           WHERE id = $1 RETURNING id, org_id, status, round, request_id, created_by, total, estimated_cost_cents, created_at)
         INSERT INTO pipeline_events (id, org_id, batch_id, event_type, event_data, request_id, user_id)
         SELECT $3, b.org_id, b.id, 'batch.wide', jsonb_build_object('round', b.round, 'status', b.status, 'total', b.total,
             'completed', c.completed, 'failed', c.failed, 'cancelled', c.cancelled, 'warned', c.warned, 'cost_cents', c.cost,
             'estimated_cost_cents', b.estimated_cost_cents,
             'total_latency_ms', (extract(epoch FROM clock_timestamp() - b.created_at) * 1000)::bigint), b.request_id, b.created_by
         FROM b CROSS JOIN (
           SELECT count(*) FILTER (WHERE i.status = 'completed') AS completed, count(*) FILTER (WHERE i.status = 'failed') AS failed,
             count(*) FILTER (WHERE i.status = 'cancelled') AS cancelled, count(*) FILTER (WHERE i.warnings > 0) AS warned,
             coalesce(sum(i.cost_cents), 0) AS cost
           FROM batch_items i WHERE i.batch_id = $1) c",
        batch.uuid(),
        status.as_str(),
        EventId::new().uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
