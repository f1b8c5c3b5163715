//! Opening: whether too much has failed, and since when that holds for everybody.

use super::{Key, Policy, as_ms, wake};
use crate::database::Database;
use crate::error::DatabaseError;

/// Counts what has failed, and opens the breaker if it is too much; true if this opened it. Who asks has closed a failed call
/// before: of those who do at the same time, the one that comes second sees the failures of both.
///
/// # Errors
/// If the database refuses or can't be reached: whoever meets the next failure judges again.
pub async fn judge(db: &Database, key: &Key, policy: &Policy) -> Result<bool, DatabaseError> {
    let Key { operation, provider, model } = key;
    let mut tx = db.begin_fast().await?;
    sqlx::query!(
        "INSERT INTO breakers (operation, provider, model) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        operation,
        provider,
        model
    )
    .execute(tx.connection())
    .await?;
    let closed = sqlx::query_scalar!(
        r#"SELECT status = 'closed' AS "closed!" FROM breakers WHERE operation = $1 AND provider = $2 AND model = $3 FOR NO KEY UPDATE"#,
        operation,
        provider,
        model
    )
    .fetch_one(tx.connection())
    .await?;
    if !closed {
        return Ok(false);
    }
    // A statement of its own: it sees what was committed while the row was waited for.
    let opened = sqlx::query!(
        "UPDATE breakers b SET status = 'open', until = clock_timestamp() + $7 * interval '1 ms',
           reason = format('%s of %s calls failed', c.failures, c.calls)
         FROM (SELECT coalesce(sum(k.calls), 0) AS calls, coalesce(sum(k.failures), 0) AS failures
               FROM breakers o JOIN breaker_counts k ON k.operation = o.operation AND k.provider = o.provider AND k.model = o.model
                 AND k.at > greatest(now() - $4 * interval '1 ms', o.closed_at)
               WHERE o.operation = $1 AND o.provider = $2 AND o.model = $3) c
         WHERE b.operation = $1 AND b.provider = $2 AND b.model = $3 AND c.failures >= $5 AND c.failures * 100 >= c.calls * $6",
        operation,
        provider,
        model,
        as_ms(policy.window),
        policy.failures,
        policy.percent,
        as_ms(policy.open),
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    if opened == 0 {
        return Ok(false);
    }
    take_effect(db).await?;
    Ok(true)
}

/// Says since when open breakers are open for everybody: in a statement that begins after their rows said so. Anybody may do
/// it for anybody.
///
/// # Errors
/// If the database refuses or can't be reached: somebody else will.
pub async fn take_effect(db: &Database) -> Result<(), DatabaseError> {
    let taken = sqlx::query!(
        "WITH b AS (
           UPDATE breakers SET effective_at = clock_timestamp() WHERE status = 'open' AND effective_at IS NULL
           RETURNING operation, provider, model, effective_at, actor, reason)
         INSERT INTO breaker_events (id, operation, provider, model, opened_at, actor, reason)
         SELECT gen_random_uuid(), operation, provider, model, effective_at, actor, reason FROM b"
    )
    .execute(db.fast())
    .await?
    .rows_affected();
    if taken > 0 { wake(db).await } else { Ok(()) }
}

/// Forgets what no breaker counts any more, some at a time; true if there may be more.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn prune(db: &Database) -> Result<bool, DatabaseError> {
    const GROUP: i64 = 5_000;
    let gone = sqlx::query!(
        "DELETE FROM breaker_counts WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM breaker_counts WHERE at < now() - interval '1 hour' ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED))",
        GROUP
    )
    .execute(db.fast())
    .await?
    .rows_affected();
    Ok(i64::try_from(gone).is_ok_and(|gone| gone >= GROUP))
}
