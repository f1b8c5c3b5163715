//! Resume: a paused batch goes back to where it was, and its steps go on.

use chrono::{DateTime, Utc};

use super::lock::lock;
use super::{Changed, pause};
use crate::batch::BatchStatus;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId};
use crate::queue::Wakes;
use crate::run::Lane;

/// How many steps are freed at a time: one statement over all of them would deadlock with settlements.
const GROUP: i64 = 500;
/// So many groups at most; the janitor frees the rest.
const GROUPS: u32 = 20;

/// Resumes a paused batch. Its steps are freed after the commit, and have their whole time again: a batch that stood still
/// overnight doesn't die of it. What isn't freed here is freed by the janitor. After it, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn resume(
    db: &Database,
    org: OrgId,
    batch: BatchId,
    _actor: &str,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let Some(mut locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    match locked.status {
        BatchStatus::Paused => {}
        BatchStatus::Running | BatchStatus::AwaitingApproval => return Ok((Changed::Before, Wakes::default())),
        status => return Ok((Changed::InvalidState(status), Wakes::default())),
    }
    let before = locked.paused_from.unwrap_or(BatchStatus::Running);
    locked.become_status(&mut tx, before).await?;
    pause::remove(&mut tx, batch).await?;
    let since = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(tx.connection()).await?;
    tx.commit().await?;
    let mut wakes = Wakes { batches: true, ..Wakes::default() };
    wakes.lane(Lane::Bulk);
    for _ in 0..GROUPS {
        match free(db, org, batch, since).await {
            Ok(GROUP) => {}
            Ok(_) => break,
            // It is resumed; the janitor frees what this did not.
            Err(error) => {
                tracing::warn!(batch_id = %batch, org_id = %org, %error, "a resumed batch's steps are left to the janitor");
                break;
            }
        }
    }
    Ok((Changed::Now, wakes))
}

/// Frees a group of the batch's steps, and gives the whole time to those that waited without being held.
async fn free(db: &Database, org: OrgId, batch: BatchId, since: DateTime<Utc>) -> Result<i64, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    tx.enter(org).await?;
    let freed = sqlx::query!(
        "WITH f AS MATERIALIZED (
           SELECT s.ctid AS c FROM batch_items i JOIN pipeline_steps s ON s.run_id = i.run_id
           WHERE i.batch_id = $1 AND i.status = 'admitted'
             AND (s.held_by = 'pause' OR s.status IN ('ready', 'delayed') AND s.deadline_at < $2::timestamptz + $3::bigint * interval '1 ms')
           LIMIT $4 FOR NO KEY UPDATE OF s SKIP LOCKED)
         UPDATE pipeline_steps t SET status = CASE t.status WHEN 'held' THEN 'ready' ELSE t.status END, held_by = NULL,
           fair_rank = CASE t.status WHEN 'delayed' THEN t.fair_rank ELSE greatest(t.fair_rank, queue_v(t.lane)) END,
           deadline_at = clock_timestamp() + $3::bigint * interval '1 ms'
         FROM f WHERE t.ctid = f.c",
        batch.uuid(),
        since,
        Lane::Bulk.deadline_ms(),
        GROUP,
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(i64::try_from(freed.rows_affected()).unwrap_or(GROUP))
}
