//! The end of an import: the idempotency key, the turn, and all rows, in one transaction.

use hellosales_core::content::client_import::{self, ApplyError, Arrived, Counts};
use hellosales_core::idempotency::{self, ClaimError, Claimed, KeyedRequest};
use hellosales_core::{DatabaseError, ErrorCode, OrgId};

use super::Done;
use crate::error::Problem;
use crate::state::AppState;
use crate::turn::{in_flight, key_reused};

/// A client that somebody else made just then, or a deadlock, is tried again this often.
const TRIES: u32 = 4;

/// Applies a file whose rows wait; in a dry run it is only looked at.
///
/// # Errors
/// If the database fails.
pub(super) async fn apply(
    state: &AppState,
    org: OrgId,
    file: Arrived,
    key: Option<KeyedRequest>,
    dry_run: bool,
) -> Result<Done, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let applied =
            if dry_run { look(state, org, &file).await } else { write(state, org, &file, key.as_ref()).await };
        match applied {
            Ok(Applied::Look(counts)) => return Ok(Done::Nothing(file, counts)),
            Ok(Applied::Written) => return Ok(Done::Applied(file.id)),
            Ok(Applied::Before(id)) => return Ok(Done::Replayed(id.into())),
            Err(Refusal::Database(error)) if tries < TRIES && is_passing(&error) => {}
            Err(Refusal::Database(error)) => return Err(error.into()),
            Err(Refusal::Problem(problem)) => return Err(problem),
        }
    }
}

enum Applied {
    Look(Counts),
    Written,
    Before(uuid::Uuid),
}

enum Refusal {
    Problem(Problem),
    Database(DatabaseError),
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<ApplyError> for Refusal {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Database(error) => Self::Database(error),
            ApplyError::RowsLost => {
                tracing::warn!("rows of a file were lost before it was applied");
                let lost = "the database was started again meanwhile, and nothing was imported: send the file again";
                Self::Problem(Problem::new(ErrorCode::NotReady, lost).retry_after(1))
            }
        }
    }
}

/// Somebody else's transaction was in the way, and is over.
fn is_passing(error: &DatabaseError) -> bool {
    matches!(error.sqlstate().as_deref(), Some("23505" | "40P01" | "40001"))
}

async fn look(state: &AppState, org: OrgId, file: &Arrived) -> Result<Applied, Refusal> {
    let mut tx = state.db.begin().await?;
    let mut org_tx = tx.enter(org).await?;
    client_import::take_turn(&mut org_tx).await?;
    let counts = client_import::apply(&mut org_tx, file, false).await?;
    tx.rollback().await?;
    Ok(Applied::Look(counts))
}

async fn write(state: &AppState, org: OrgId, file: &Arrived, key: Option<&KeyedRequest>) -> Result<Applied, Refusal> {
    let mut tx = state.db.begin().await?;
    let mut org_tx = tx.enter(org).await?;
    if let Some(key) = key {
        match idempotency::claim(&mut org_tx, key, "client_import", file.id.uuid()).await {
            Ok(Claimed::New) => {}
            Ok(Claimed::Replay(id)) => return Ok(Applied::Before(id)),
            Ok(Claimed::Reused) => return Err(Refusal::Problem(key_reused())),
            Err(ClaimError::InFlight) => return Err(Refusal::Problem(in_flight())),
            Err(ClaimError::Database(error)) => return Err(error.into()),
        }
    }
    client_import::take_turn(&mut org_tx).await?;
    client_import::apply(&mut org_tx, file, true).await?;
    match tx.commit().await {
        Ok(()) => Ok(Applied::Written),
        // The answer to COMMIT may have been lost: what is there now decides.
        Err(error) => match landed(state, org, file).await {
            Ok(true) => Ok(Applied::Written),
            Ok(false) | Err(_) => Err(error.into()),
        },
    }
}

async fn landed(state: &AppState, org: OrgId, file: &Arrived) -> Result<bool, DatabaseError> {
    let mut tx = state.db.begin().await?;
    Ok(client_import::get(&mut tx.enter(org).await?, file.id).await?.is_some())
}
