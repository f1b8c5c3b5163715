//! Companions: the other first stages of a run of which a claim brought one. They call nothing outside the database, share
//! its slot, and are settled with it: one settlement where there would be one for each slot that becomes free.

use uuid::Uuid;

use super::Shapes;
use super::claim::{Claimed, Row, claimed};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{BatchId, InteractionId, LeaseToken, OrgId, RunId, SessionId, UserId, WorkerId};

/// Claims what is ready of these runs and of these kinds, under the token of the claim that brought their siblings. Suspects
/// run alone. An error leaves open whether it was done; [`super::claim::adopt`] finds out.
///
/// # Errors
/// If the server refused, or did not answer.
pub async fn claim_companions(
    db: &Database,
    (worker, token): (WorkerId, LeaseToken),
    runs: &[RunId],
    kinds: &[String],
    shapes: &Shapes,
) -> Result<Claimed, DatabaseError> {
    let runs: Vec<Uuid> = runs.iter().map(|run| run.uuid()).collect();
    let rows = sqlx::query_file_as!(Row, "src/queue/companions.sql", worker.uuid(), token.uuid(), &runs, kinds)
        .fetch_all(db.fast())
        .await?;
    claimed(rows, shapes)
}
