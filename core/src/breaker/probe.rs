//! Probes: one call at a time that sees whether an open breaker can be closed, under a lease of its own.

use super::{Health, Key, Policy, as_ms, wake};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::LeaseToken;

/// Takes the probe of an open breaker whose time has come; false if it is closed, too early, or somebody else's. The fence is
/// the caller's: what a probe whose lease has run out says later is heard only if nobody took its place.
///
/// # Errors
/// If the database refuses or can't be reached: then the probe may be taken, until its lease ends.
pub async fn take_probe(db: &Database, key: &Key, fence: LeaseToken, policy: &Policy) -> Result<bool, DatabaseError> {
    let taken = sqlx::query!(
        "UPDATE breakers SET probe = $4, probe_until = clock_timestamp() + $5 * interval '1 ms'
         WHERE operation = $1 AND provider = $2 AND model = $3 AND status = 'open' AND effective_at IS NOT NULL AND until <= now()
           AND (probe IS NULL OR probe_until <= now())",
        key.operation,
        key.provider,
        key.model,
        fence.uuid(),
        as_ms(policy.probe),
    )
    .execute(db.fast())
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// What a probe saw: the breaker is closed, stays open for another while, or is free for another probe. False if the breaker is
/// not this probe's any more: then nothing is written.
///
/// # Errors
/// If the database refuses or can't be reached: then the probe's lease runs out.
pub async fn probed(
    db: &Database,
    key: &Key,
    fence: LeaseToken,
    health: Health,
    policy: &Policy,
) -> Result<bool, DatabaseError> {
    let Key { operation, provider, model } = key;
    let written = match health {
        Health::Well => {
            sqlx::query!(
                "WITH b AS (
                   UPDATE breakers SET status = 'closed', until = NULL, effective_at = NULL, probe = NULL, probe_until = NULL, actor = NULL,
                     reason = NULL, closed_at = clock_timestamp()
                   WHERE operation = $1 AND provider = $2 AND model = $3 AND status = 'open' AND probe = $4
                   RETURNING operation, provider, model)
                 UPDATE breaker_events e SET closed_at = greatest(now(), e.opened_at) FROM b
                 WHERE e.operation = b.operation AND e.provider = b.provider AND e.model = b.model AND e.closed_at IS NULL",
                operation,
                provider,
                model,
                fence.uuid()
            )
            .execute(db.fast())
            .await?
        }
        Health::Fault => {
            sqlx::query!(
                "UPDATE breakers SET until = clock_timestamp() + $5 * interval '1 ms', probe = NULL, probe_until = NULL, actor = NULL,
                   reason = 'a probe failed'
                 WHERE operation = $1 AND provider = $2 AND model = $3 AND status = 'open' AND probe = $4",
                operation,
                provider,
                model,
                fence.uuid(),
                as_ms(policy.open)
            )
            .execute(db.fast())
            .await?
        }
        Health::Unseen => {
            sqlx::query!(
                "UPDATE breakers SET probe = NULL, probe_until = NULL
                 WHERE operation = $1 AND provider = $2 AND model = $3 AND status = 'open' AND probe = $4",
                operation,
                provider,
                model,
                fence.uuid()
            )
            .execute(db.fast())
            .await?
        }
    };
    let written = written.rows_affected() > 0;
    if written && health != Health::Unseen {
        wake(db).await?;
    }
    Ok(written)
}
