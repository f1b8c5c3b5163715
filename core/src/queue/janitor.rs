//! Janitor: what is old goes, in small batches that wait for nobody.

use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::RunId;
use crate::stream::RETENTION_MINUTES;

/// How many runs or rows one batch looks at.
const BATCH: i64 = 500;

/// Deletes the chunks of runs that ended an hour ago. Looks at one batch of runs after `after`, oldest first, and
/// returns where it stopped (`None`: at the end), and how many chunks are gone.
///
/// # Errors
/// If the server can't be reached.
pub async fn prune_stream(db: &Database, after: Option<RunId>) -> Result<(Option<RunId>, u64), DatabaseError> {
    // Run ids are UUIDv7: none that is younger than the retention can have ended before it.
    let runs = sqlx::query_scalar!(
        r#"SELECT DISTINCT run_id AS "run_id: RunId" FROM run_stream
           WHERE run_id > $1 AND run_id < (lpad(to_hex((extract(epoch FROM now() - $2::int * interval '1 minute') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
           ORDER BY 1 LIMIT $3"#,
        after.map_or(Uuid::nil(), RunId::uuid),
        RETENTION_MINUTES,
        BATCH,
    )
    .fetch_all(db.fast())
    .await?;
    let ids: Vec<Uuid> = runs.iter().map(|run| run.uuid()).collect();
    let gone = sqlx::query!(
        "DELETE FROM run_stream s WHERE s.run_id = ANY(ARRAY(
           SELECT v.id FROM unnest($1::uuid[]) AS v(id) LEFT JOIN pipeline_runs r ON r.id = v.id
           WHERE r.id IS NULL OR r.completed_at < now() - $2::int * interval '1 minute'))",
        &ids,
        RETENTION_MINUTES,
    )
    .execute(db.fast())
    .await?;
    let full = i64::try_from(ids.len()).is_ok_and(|n| n == BATCH);
    Ok((runs.last().copied().filter(|_| full), gone.rows_affected()))
}

/// Deletes idempotency keys that are a day old, a batch of them; returns how many went.
///
/// # Errors
/// If the server can't be reached.
pub async fn prune_idempotency_keys(db: &Database) -> Result<u64, DatabaseError> {
    let gone = sqlx::query!(
        "DELETE FROM idempotency_keys k WHERE (k.org_id, k.key) IN (
           SELECT org_id, key FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
           ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
        BATCH
    )
    .execute(db.fast())
    .await?;
    Ok(gone.rows_affected())
}

/// Deletes the rows of workers whose lease ended an hour ago and that own nothing.
///
/// # Errors
/// If the server can't be reached.
pub async fn prune_workers(db: &Database) -> Result<u64, DatabaseError> {
    let gone = sqlx::query!(
        "DELETE FROM workers w WHERE w.lease_until < now() - interval '1 hour'
           AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.worker_id = w.id AND s.status = 'running')"
    )
    .execute(db.fast())
    .await?;
    Ok(gone.rows_affected())
}
