//! How full the queue is, and how fast it moves: by lane, pipeline and organisation.

use std::time::Duration;

use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::OrgId;
use crate::run::Lane;

/// By what the queue is counted; nothing is all of it in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct By {
    /// By lane.
    pub lane: bool,
    /// By pipeline.
    pub pipeline: bool,
    /// By organisation.
    pub org: bool,
}

/// One line of the count.
#[derive(Debug, Clone, Default)]
pub struct QueueLine {
    /// The lane's name.
    pub lane: Option<String>,
    /// The pipeline.
    pub pipeline: Option<String>,
    /// The organisation.
    pub org_id: Option<OrgId>,
    /// Its name.
    pub org: Option<String>,
    /// Steps that may be claimed.
    pub ready: i64,
    /// Steps that workers have.
    pub running: i64,
    /// Steps that wait for a time.
    pub delayed: i64,
    /// Steps that wait for an earlier turn of their session.
    pub held_turn: i64,
    /// Steps that a pause holds.
    pub held_pause: i64,
    /// Live runs.
    pub runs: i64,
    /// Items of batches that are not admitted yet: runs to come.
    pub items: i64,
    /// How long the oldest ready step that was never tried could have been at work.
    pub oldest_ms: Option<i64>,
    /// Runs that came in the last minute, a second.
    pub in_per_s: f64,
    /// Runs that ended in the last minute, a second.
    pub out_per_s: f64,
}

impl QueueLine {
    /// How long all that waits takes at the pace of the last minute; `None` when nothing moves.
    #[must_use]
    pub fn empty_in_ms(&self) -> Option<i64> {
        let waiting = u32::try_from(self.runs + self.items).unwrap_or(u32::MAX);
        match (waiting, self.out_per_s) {
            (0, _) => Some(0),
            (_, out) if out > 0.0 => {
                let time = Duration::try_from_secs_f64(f64::from(waiting) / out).ok()?;
                i64::try_from(time.as_millis()).ok()
            }
            _ => None,
        }
    }
}

/// Counts the queue. Ended runs cost nothing: what moved in the last minute is found by ids, which begin with the time.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn read(db: &Database, by: By, org: Option<OrgId>) -> Result<Vec<QueueLine>, DatabaseError> {
    let mut tx = db.begin().await?;
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(tx.connection()).await?;
    let minute_ago =
        sqlx::query_scalar!(r#"SELECT (extract(epoch FROM now() - interval '1 minute') * 1000)::bigint AS "ms!""#)
            .fetch_one(tx.connection())
            .await?;
    let low = Uuid::from_u128(u128::from(minute_ago.unsigned_abs()) << 80);
    Ok(sqlx::query_file_as!(
        QueueLine,
        "src/pulse/queue_stats.sql",
        by.lane,
        by.pipeline,
        by.org,
        org.map(OrgId::uuid),
        low,
        Lane::Interactive.deadline_ms(),
        Lane::Standard.deadline_ms(),
        Lane::Bulk.deadline_ms(),
    )
    .fetch_all(tx.connection())
    .await?)
}
