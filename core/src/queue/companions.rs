//! Companions: the other first stages of a run of which a claim brought one. They call nothing outside the database, share
//! its slot, and are settled with it: one settlement where there would be one for each slot that becomes free.

use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{LeaseToken, RunId, WorkerId};

/// Claims what is ready of these runs and of these kinds, under the token of the claim that brought their siblings; how many
/// it was. Suspects run alone. An error leaves open whether it was done; [`super::claim::adopt`] finds out.
///
/// # Errors
/// If the server refused, or did not answer.
pub async fn claim_companions(
    db: &Database,
    worker: WorkerId,
    token: LeaseToken,
    runs: &[RunId],
    kinds: &[String],
) -> Result<u64, DatabaseError> {
    let runs: Vec<Uuid> = runs.iter().map(|run| run.uuid()).collect();
    let claimed = sqlx::query!(
        "WITH n AS MATERIALIZED (
           SELECT ctid AS c FROM pipeline_steps
           WHERE run_id = ANY($3) AND status = 'ready' AND crashes < 2 AND kind = ANY($4) FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE pipeline_steps t
         SET status = 'running', worker_id = $1, lease_token = $2, lease_epoch = t.lease_epoch + 1,
           claimed_at = clock_timestamp(), must_end_by = clock_timestamp() + (t.timeout_ms + 15000) * interval '1 ms'
         FROM n WHERE t.ctid = n.c AND t.status = 'ready'
           AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $1 AND w.lease_until > now())",
        worker.uuid(),
        token.uuid(),
        &runs,
        kinds,
    )
    .execute(db.fast())
    .await?;
    Ok(claimed.rows_affected())
}
