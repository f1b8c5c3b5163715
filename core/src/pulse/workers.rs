//! The workers, as operators see them.

use chrono::{DateTime, Utc};

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::WorkerId;

/// A worker, and what it has in hand.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of workers, by their names")]
pub struct Worker {
    pub id: WorkerId,
    pub host: String,
    pub pid: i32,
    pub version: String,
    pub slots: i32,
    pub draining: bool,
    pub started_at: DateTime<Utc>,
    pub lease_until: DateTime<Utc>,
    /// Its lease has run out, and nobody has put it away yet.
    pub is_stale: bool,
    /// Since when, or for how long still: its lease, seen from now.
    pub lease_ms: i64,
    /// Steps that it holds.
    pub running: i64,
    /// How long the oldest of them has been held.
    pub oldest_ms: Option<i64>,
}

/// Which workers.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerFilter {
    /// Only this one.
    pub id: Option<WorkerId>,
    /// Only those whose lease has run out.
    pub stale: bool,
}

/// So many are listed at most: there is one row a process that has not ended well.
const MOST: i64 = 10_000;

/// The workers, the newest first. For operators.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn list(db: &Database, filter: WorkerFilter) -> Result<Vec<Worker>, DatabaseError> {
    let mut tx = db.begin().await?;
    Ok(sqlx::query_as!(
        Worker,
        r#"SELECT w.id AS "id: WorkerId", w.host, w.pid, w.version, w.slots, w.draining, w.started_at, w.lease_until,
             w.lease_until <= now() AS "is_stale!",
             (extract(epoch FROM w.lease_until - now()) * 1000)::bigint AS "lease_ms!",
             coalesce(s.running, 0) AS "running!", s.oldest_ms
           FROM workers w LEFT JOIN (
             SELECT worker_id, count(*) AS running, (extract(epoch FROM now() - min(claimed_at)) * 1000)::bigint AS oldest_ms
             FROM pipeline_steps WHERE worker_id IS NOT NULL GROUP BY worker_id
           ) s ON s.worker_id = w.id
           WHERE ($1::uuid IS NULL OR w.id = $1) AND (NOT $2 OR w.lease_until <= now())
           ORDER BY w.started_at DESC, w.id LIMIT $3"#,
        filter.id.map(WorkerId::uuid),
        filter.stale,
        MOST,
    )
    .fetch_all(tx.connection())
    .await?)
}
