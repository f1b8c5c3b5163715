//! Pause: nothing more of a batch is admitted, and what is live stands still as claims meet it. A stage that runs ends.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Changed;
use super::lock::lock;
use crate::batch::BatchStatus;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId};
use crate::queue::Wakes;

/// Pauses a running batch, or one that waits for its approval: then it waits for that again when it is resumed. After the
/// commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn pause(db: &Database, org: OrgId, batch: BatchId, actor: &str) -> Result<(Changed, Wakes), DatabaseError> {
    stop(db, org, batch, &Pause { actor, reason: "asked", waiting: None, needs: None }).await
}

/// Pauses a batch whose budget is spent, until it is resumed: with a higher maximum, or it is soon paused again. `needs` is what
/// the call could cost that found it so. If it could be made by now, since somebody has raised the maximum meanwhile or other
/// calls gave back what they held, the batch goes on: `Before`.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn pause_for_budget(
    db: &Database,
    org: OrgId,
    batch: BatchId,
    needs: Decimal,
) -> Result<(Changed, Wakes), DatabaseError> {
    let detail = "what is left of max_cost_cents is less than one more email may cost: raise it and resume";
    let waiting = json!({"reason": "budget", "until": null, "detail": detail});
    stop(db, org, batch, &Pause { actor: "system", reason: "budget", waiting: Some(waiting), needs: Some(needs) }).await
}

struct Pause<'a> {
    actor: &'a str,
    reason: &'a str,
    waiting: Option<Value>,
    /// Only if the budget doesn't reach for this, nor will.
    needs: Option<Decimal>,
}

async fn stop(db: &Database, org: OrgId, batch: BatchId, pause: &Pause<'_>) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let Some(locked) = lock(&mut tx, org, batch).await? else { return Ok((Changed::NotFound, Wakes::default())) };
    match locked.status {
        BatchStatus::Running | BatchStatus::AwaitingApproval => {}
        BatchStatus::Paused => return Ok((Changed::Before, Wakes::default())),
        status => return Ok((Changed::InvalidState(status), Wakes::default())),
    }
    if let Some(needs) = pause.needs
        && may_go_on(&mut tx, batch, needs).await?
    {
        return Ok((Changed::Before, Wakes::default()));
    }
    sqlx::query!(
        "UPDATE email_batches SET status = 'paused', paused_from = status, waiting = $2, updated_at = clock_timestamp() WHERE id = $1",
        batch.uuid(),
        pause.waiting,
    )
    .execute(tx.connection())
    .await?;
    insert(&mut tx, org, batch, pause).await?;
    tx.commit().await?;
    Ok((Changed::Now, Wakes { batches: true, ..Wakes::default() }))
}

/// Whether so much is left, or may come back. Who raises the maximum holds the batch, so it can't be raised unseen.
async fn may_go_on(tx: &mut Tx, batch: BatchId, needs: Decimal) -> Result<bool, DatabaseError> {
    let found = sqlx::query_scalar!(
        r#"SELECT reserved_cents > 0 OR spent_cents + $2 <= max_cost_cents AS "found!" FROM batch_budgets WHERE batch_id = $1"#,
        batch.uuid(),
        needs,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found.unwrap_or(true))
}

async fn insert(tx: &mut Tx, org: OrgId, batch: BatchId, pause: &Pause<'_>) -> Result<(), DatabaseError> {
    sqlx::query!(
        "INSERT INTO pauses (scope, key, org_id, actor, reason) VALUES ('batch', $1, $2, $3, $4) ON CONFLICT (scope, key) DO NOTHING",
        batch.to_string(),
        org.uuid(),
        pause.actor,
        pause.reason,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends a batch's pause, in the transaction that moves the batch on.
pub(super) async fn remove(tx: &mut Tx, batch: BatchId) -> Result<(), DatabaseError> {
    sqlx::query!("DELETE FROM pauses WHERE scope = 'batch' AND key = $1", batch.to_string())
        .execute(tx.connection())
        .await?;
    Ok(())
}
