//! Idempotency keys: inserted in the transaction of what they guard, before any other lock is taken.

use uuid::Uuid;

use crate::database::OrgTx;
use crate::error::DatabaseError;

/// A request that came with a key.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    /// The client's key: 1 to 255 characters of ASCII.
    pub key: String,
    /// Method and path, as called.
    pub route: String,
    /// Of the caller and the body in its canonical form: what must be the same for the same answer.
    pub body_sha256: [u8; 32],
}

/// What a key is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// New: the caller makes the object.
    New,
    /// The same request came before, and made this object.
    Replay(Uuid),
    /// The key came before with another request.
    Reused,
}

/// Why a key could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The first request with this key has not ended yet.
    #[error("the first request with this idempotency key is still running")]
    InFlight,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for ClaimError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Claims a key for an object that is made in the same transaction. Waits up to 5 s for a transaction that
/// holds the same key: if it commits this is a replay, if it fails the key is new again.
///
/// # Errors
/// [`ClaimError::InFlight`] after the 5 s; the transaction is then of no more use.
pub async fn claim(
    tx: &mut OrgTx<'_>,
    request: &KeyedRequest,
    object: &str,
    object_id: Uuid,
) -> Result<Claimed, ClaimError> {
    let org = tx.org().uuid();
    sqlx::query!("SET LOCAL lock_timeout = '5s'").execute(tx.connection()).await?;
    let inserted = sqlx::query!(
        "INSERT INTO idempotency_keys (org_id, key, route, body_sha256, object, object_id)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (org_id, key) DO NOTHING",
        org,
        request.key,
        request.route,
        request.body_sha256.as_slice(),
        object,
        object_id,
    )
    .execute(tx.connection())
    .await
    .map_err(DatabaseError::from);
    let inserted = match inserted {
        Err(error) if error.is_lock_timeout() => return Err(ClaimError::InFlight),
        other => other?,
    };
    sqlx::query!("SET LOCAL lock_timeout = '2s'").execute(tx.connection()).await?;
    if inserted.rows_affected() == 1 {
        return Ok(Claimed::New);
    }
    let known = sqlx::query!(
        "SELECT route, body_sha256, object_id FROM idempotency_keys WHERE org_id = $1 AND key = $2",
        org,
        request.key,
    )
    .fetch_optional(tx.connection())
    .await?;
    match known {
        Some(row) if row.route == request.route && row.body_sha256 == request.body_sha256 => {
            Ok(Claimed::Replay(row.object_id))
        }
        Some(_) => Ok(Claimed::Reused),
        // The janitor took it between the two statements: as good as still running, the client asks again.
        None => Err(ClaimError::InFlight),
    }
}

/// Lets a key that was claimed in this transaction stand for another object: the one that turned out to be
/// there already.
///
/// # Errors
/// If the server can't be reached.
pub async fn stand_for(tx: &mut OrgTx<'_>, request: &KeyedRequest, object_id: Uuid) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE idempotency_keys SET object_id = $3 WHERE org_id = $1 AND key = $2",
        tx.org().uuid(),
        request.key,
        object_id,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
