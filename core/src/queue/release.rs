//! Release: an operator takes a step back from a worker, or ends its wait. Nothing is counted. Whoever works on it has lost
//! its token; the row is changed only if it still stands as the operator saw it.

use serde_json::json;

use super::Wakes;
use crate::audit;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{LeaseToken, OrgId, RunId};
use crate::run::Lane;

/// The step as it was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its run.
    pub run_id: RunId,
    /// The stage's place in its graph.
    pub stage: i16,
    /// Its organisation.
    pub org_id: OrgId,
    /// How it stood.
    pub status: String,
    /// Whose it was.
    pub lease_token: Option<LeaseToken>,
}

/// What became of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It may be claimed; of a failed run, it waits for a redrive.
    Now,
    /// It does not stand so any more.
    Changed,
    /// It stands in a way from which nothing is released.
    InvalidState,
}

/// Gives a running step back, or makes a delayed one ready now, and writes who did it and why. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn release(
    db: &Database,
    seen: &Seen,
    actor: &str,
    reason: &str,
) -> Result<(Released, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    if !matches!(seen.status.as_str(), "running" | "delayed") {
        return Ok((Released::InvalidState, wakes));
    }
    let mut tx = db.begin().await?;
    let Some(lane) = change(&mut tx, seen).await? else { return Ok((Released::Changed, wakes)) };
    let target = format!("{}/{}", seen.run_id, seen.stage);
    audit::record(
        tx.connection(),
        &audit::Entry {
            org_id: Some(seen.org_id),
            actor,
            action: "step.release",
            target_type: "step",
            target_id: &target,
            reason: Some(reason),
            details: json!({"status": seen.status}),
        },
    )
    .await?;
    tx.commit().await?;
    wakes.lane(lane);
    Ok((Released::Now, wakes))
}

async fn change(tx: &mut Tx, seen: &Seen) -> Result<Option<Lane>, DatabaseError> {
    // The run before the step, as everywhere.
    let run_status =
        sqlx::query_scalar!("SELECT status FROM pipeline_runs WHERE id = $1 FOR NO KEY UPDATE", seen.run_id.uuid())
            .fetch_optional(tx.connection())
            .await?;
    let lane = sqlx::query_scalar!(
        "UPDATE pipeline_steps SET status = CASE WHEN $5 THEN 'held' ELSE 'ready' END, held_by = CASE WHEN $5 THEN 'failed' END,
           lease_token = NULL, worker_id = NULL, claimed_at = NULL, must_end_by = NULL, available_at = NULL, delay_reason = NULL,
           fair_rank = greatest(fair_rank, queue_v(lane))
         WHERE run_id = $1 AND stage = $2 AND status = $3 AND lease_token IS NOT DISTINCT FROM $4 RETURNING lane",
        seen.run_id.uuid(),
        seen.stage,
        seen.status,
        seen.lease_token.map(LeaseToken::uuid),
        run_status.as_deref() == Some("failed"),
    )
    .fetch_optional(tx.connection())
    .await?;
    lane.map(Lane::from_number).transpose()
}
