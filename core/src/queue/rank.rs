//! Ranks: who goes next in a lane (`protocol.md` 8).
//!
//! Interactive is first come, first served. Standard and bulk are start-time fair queueing by organisation
//! (P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996): one tag a run, its steps inherit it.

use sqlx::PgExecutor;

use crate::error::DatabaseError;
use crate::id::OrgId;
use crate::run::Lane;

/// What a run costs its organisation's tail, at weight 1.
pub const UNIT: i64 = 1_000_000;

/// The tags of `n` runs: `start + k * step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// The first run's.
    pub start: i64,
    /// Between one run and the next.
    pub step: i64,
}

impl Ranks {
    /// The tag of run `k`, from 0.
    #[must_use]
    pub const fn of(self, k: i64) -> i64 {
        self.start + k * self.step
    }
}

/// Takes the ranks of `n` runs. For a single submit: in an autocommit statement of the fast pool just before
/// it, so that the organisation's row isn't held over the submit's fsync. A rank whose submit fails is a
/// little debt, no fault.
///
/// # Errors
/// If the server can't be reached.
pub async fn take(db: impl PgExecutor<'_>, org: OrgId, lane: Lane, n: i64) -> Result<Ranks, DatabaseError> {
    if lane == Lane::Interactive {
        let start = sqlx::query_scalar!(
            r#"SELECT greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, queue_v(0::smallint)) AS "start!""#
        )
        .fetch_one(db)
        .await?;
        return Ok(Ranks { start, step: 1 });
    }
    let row = sqlx::query!(
        r#"INSERT INTO org_lanes AS o (org_id, lane, tail) VALUES ($1, $2, queue_v($2) + $3::bigint * 1000000)
           ON CONFLICT (org_id, lane) DO UPDATE SET tail = greatest(o.tail, queue_v($2)) + $3::bigint * 1000000 / o.weight
           RETURNING tail - $3::bigint * 1000000 / weight AS "start!", 1000000::bigint / weight AS "step!""#,
        org.uuid(),
        lane.number(),
        n,
    )
    .fetch_one(db)
    .await?;
    Ok(Ranks { start: row.start, step: row.step })
}

/// How many runs' worth of an organisation's work lies ahead of a lane's virtual time: its backlog, whatever their state.
///
/// # Errors
/// If the server can't be reached.
pub async fn backlog(db: impl PgExecutor<'_>, org: OrgId, lane: Lane) -> Result<i64, DatabaseError> {
    let ahead = sqlx::query_scalar!(
        r#"SELECT greatest(tail - queue_v($2), 0) * weight / 1000000 AS "ahead!" FROM org_lanes WHERE org_id = $1 AND lane = $2"#,
        org.uuid(),
        lane.number(),
    )
    .fetch_optional(db)
    .await?;
    Ok(ahead.unwrap_or(0))
}

/// Moves a lane's virtual time up to the highest rank claimed.
///
/// # Errors
/// If the server can't be reached.
pub async fn advance(db: impl PgExecutor<'_>, lane: Lane, rank: i64) -> Result<(), DatabaseError> {
    match lane {
        Lane::Interactive => {
            sqlx::query!("SELECT setval('queue_v_0', $1) FROM queue_v_0 WHERE last_value < $1", rank)
                .fetch_optional(db)
                .await?;
        }
        Lane::Standard => {
            sqlx::query!("SELECT setval('queue_v_1', $1) FROM queue_v_1 WHERE last_value < $1", rank)
                .fetch_optional(db)
                .await?;
        }
        Lane::Bulk => {
            sqlx::query!("SELECT setval('queue_v_2', $1) FROM queue_v_2 WHERE last_value < $1", rank)
                .fetch_optional(db)
                .await?;
        }
    }
    Ok(())
}
