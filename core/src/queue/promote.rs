//! Promote: `delayed -> ready` when the time has come.

use std::time::Duration;

use super::Wakes;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::OrgId;
use crate::run::Lane;

/// What a promotion did.
#[derive(Debug, Default)]
pub struct Promoted {
    /// How many steps became ready.
    pub count: u64,
    /// Whom to wake.
    pub wakes: Wakes,
}

/// Makes up to 500 steps ready whose time has come. Those of one organisation come one increment apart, so that
/// what waited together does not come back as a herd.
///
/// # Errors
/// If the server can't be reached.
pub async fn promote(db: &Database) -> Result<Promoted, DatabaseError> {
    let lanes = sqlx::query_scalar!(
        "WITH q AS MATERIALIZED (
           SELECT run_id, stage, org_id, lane, available_at FROM pipeline_steps WHERE status = 'delayed' AND available_at <= now()
           ORDER BY available_at LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
         ), d AS (
           SELECT run_id, stage, row_number() OVER (PARTITION BY org_id, lane ORDER BY available_at) AS k FROM q
         )
         UPDATE pipeline_steps t SET status = 'ready', available_at = NULL, delay_reason = NULL, delay_detail = NULL,
           fair_rank = greatest(t.fair_rank, queue_v(t.lane) + (d.k - 1) * CASE t.lane WHEN 0 THEN 1000 ELSE 1000000 END)
         FROM d WHERE t.run_id = d.run_id AND t.stage = d.stage RETURNING t.lane"
    )
    .fetch_all(db.fast())
    .await?;
    let mut promoted = Promoted::default();
    for lane in lanes {
        promoted.count += 1;
        promoted.wakes.lane(Lane::from_number(lane)?);
    }
    Ok(promoted)
}

/// How long until the next delayed step's time comes.
///
/// # Errors
/// If the server can't be reached.
pub async fn next(db: &Database) -> Result<Option<Duration>, DatabaseError> {
    let ms = sqlx::query_scalar!(
        r#"SELECT (extract(epoch FROM min(available_at) - now()) * 1000)::bigint FROM pipeline_steps WHERE status = 'delayed'"#
    )
    .fetch_one(db.fast())
    .await?;
    Ok(ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))))
}

/// Brings forward what waits for a provider, now that nothing stands there any more: over the next ten seconds, so that it doesn't
/// come back as one. Returns how many.
///
/// # Errors
/// If the server can't be reached.
pub async fn bring_forward(db: &Database, provider: &str) -> Result<u64, DatabaseError> {
    let mut count = 0;
    loop {
        let moved = sqlx::query!(
            "WITH q AS MATERIALIZED (
               SELECT run_id, stage FROM pipeline_steps
               WHERE status = 'delayed' AND delay_reason IN ('provider_down', 'rate_limited') AND starts_with(delay_detail, $1 || ':')
                 AND available_at > now() + interval '11 seconds'
               ORDER BY available_at LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
             )
             UPDATE pipeline_steps t SET available_at = clock_timestamp() + random() * interval '10 seconds'
             FROM q WHERE t.run_id = q.run_id AND t.stage = q.stage AND t.status = 'delayed'",
            provider,
        )
        .execute(db.durable())
        .await?
        .rows_affected();
        count += moved;
        if moved < 500 {
            return Ok(count);
        }
    }
}

/// Makes the steps of an organisation ready that are delayed for this reason, whenever their time would come; as far apart
/// as in [`promote`].
///
/// # Errors
/// If the server can't be reached.
pub async fn hasten(db: &Database, org: OrgId, reason: &str) -> Result<Promoted, DatabaseError> {
    let mut promoted = Promoted::default();
    loop {
        let lanes = sqlx::query_scalar!(
            "WITH q AS MATERIALIZED (
               SELECT run_id, stage, lane FROM pipeline_steps WHERE status = 'delayed' AND org_id = $1 AND delay_reason = $2
               ORDER BY available_at LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
             ), d AS (
               SELECT run_id, stage, row_number() OVER (PARTITION BY lane ORDER BY run_id) AS k FROM q
             )
             UPDATE pipeline_steps t SET status = 'ready', available_at = NULL, delay_reason = NULL, delay_detail = NULL,
               fair_rank = greatest(t.fair_rank, queue_v(t.lane) + (d.k - 1) * CASE t.lane WHEN 0 THEN 1000 ELSE 1000000 END)
             FROM d WHERE t.run_id = d.run_id AND t.stage = d.stage RETURNING t.lane",
            org.uuid(),
            reason,
        )
        .fetch_all(db.durable())
        .await?;
        let count = lanes.len();
        for lane in lanes {
            promoted.count += 1;
            promoted.wakes.lane(Lane::from_number(lane)?);
        }
        if count < 500 {
            return Ok(promoted);
        }
    }
}
