//! Counting from the ledger: what an organisation has used of windows that began before it had this budget.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::OrgId;

/// The oldest call of today, by its id: a day back, and more than clocks of workers differ.
const REACH: Duration = Duration::from_secs(26 * 3_600);

/// Counts the open calls that nobody has counted, so that their closing gives back what they don't take; those that are
/// being closed at this moment stay out. Before the budget's row is locked: who closes a call holds it, and waits for that row.
pub(super) async fn adopt(tx: &mut Tx, org: OrgId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "WITH o AS MATERIALIZED (
           SELECT id FROM provider_calls WHERE org_id = $1 AND id >= $2 AND completed_at IS NULL AND counted_at IS NULL
           ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE provider_calls c SET counted_at = c.started_at FROM o WHERE c.id = o.id",
        org.uuid(),
        since(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Counts today's calls and those of the last minute anew, under the lock of the budget's row. What is used already stands
/// as the most that was ever allowed, where the limit is lower.
pub(super) async fn count(tx: &mut Tx, org: Uuid) -> Result<(), DatabaseError> {
    sqlx::query_file!("src/budget/count.sql", org, since()).execute(tx.connection()).await?;
    Ok(())
}

/// Only how far back the index is read: which call is of which window is for the database's clock.
#[expect(clippy::disallowed_methods, reason = "a bound of a search, generous on both sides; it decides nothing")]
fn since() -> Uuid {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(now.saturating_sub(REACH).as_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid()
}
