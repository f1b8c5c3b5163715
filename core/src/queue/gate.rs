//! Gate: the turns of a session go one after another, in the order accepted (`protocol.md` 7). Whatever ends the
//! active turn holds the session's lock and lets the next one through.

use super::Wakes;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::{RunId, SessionId};
use crate::run::Lane;

/// A turn of a session has ended. If it was the active one the lowest that waits goes next; one that waited just
/// leaves. The caller holds the session's lock.
pub(super) async fn pass(
    tx: &mut Tx,
    session: SessionId,
    ended: RunId,
    wakes: &mut Wakes,
) -> Result<(), DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT active_run_id AS "active_run_id: RunId", waiting FROM sessions WHERE id = $1"#,
        session.uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(()) };
    if row.active_run_id != Some(ended) {
        return leave(tx, session).await;
    }
    let next = if row.waiting > 0 { lowest_waiting(tx, session).await? } else { None };
    if let Some(next) = next {
        release(tx, next, wakes).await?;
    }
    sqlx::query!(
        "UPDATE sessions SET active_run_id = $2, waiting = waiting - $3, updated_at = clock_timestamp() WHERE id = $1",
        session.uuid(),
        next.map(RunId::uuid),
        i32::from(next.is_some()),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn leave(tx: &mut Tx, session: SessionId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE sessions SET waiting = waiting - 1, updated_at = clock_timestamp() WHERE id = $1 AND waiting > 0",
        session.uuid()
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn lowest_waiting(tx: &mut Tx, session: SessionId) -> Result<Option<RunId>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT r.id AS "id: RunId" FROM pipeline_runs r
           WHERE r.session_id = $1 AND r.turn IS NOT NULL AND r.completed_at IS NULL
             AND EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = r.id AND s.held_by = 'turn')
           ORDER BY r.turn LIMIT 1"#,
        session.uuid()
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// Its time starts now: a turn's deadline counts from when it is its turn. Only steps are touched, not its run.
async fn release(tx: &mut Tx, run: RunId, wakes: &mut Wakes) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE pipeline_steps SET status = 'ready', held_by = NULL, fair_rank = greatest(fair_rank, queue_v(lane)),
           deadline_at = clock_timestamp() + $2::bigint * interval '1 ms'
         WHERE run_id = $1 AND held_by = 'turn'",
        run.uuid(),
        Lane::Interactive.deadline_ms(),
    )
    .execute(tx.connection())
    .await?;
    wakes.lane(Lane::Interactive);
    Ok(())
}

/// A redriven turn comes to the gate like a new one: true if it must wait. The caller holds the session's lock.
pub(super) async fn enter(tx: &mut Tx, session: SessionId, run: RunId) -> Result<bool, DatabaseError> {
    let waits = sqlx::query_scalar!(
        r#"UPDATE sessions SET waiting = waiting + CASE WHEN active_run_id IS NULL THEN 0 ELSE 1 END,
             active_run_id = coalesce(active_run_id, $2), updated_at = clock_timestamp()
           WHERE id = $1 RETURNING active_run_id <> $2 AS "waits!""#,
        session.uuid(),
        run.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(waits.unwrap_or(false))
}
