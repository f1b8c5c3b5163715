//! Reading: one statement for all runs that a process watches.

use serde_json::Value;
use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::RunId;

/// One event, as stored: `data` has `at` and the event's own members.
#[derive(Debug, Clone)]
pub struct StreamRow {
    /// The run.
    pub run_id: RunId,
    /// Its place: `major * 1_000_000 + minor`.
    pub seq: i64,
    /// Its name.
    pub event: String,
    /// Its members.
    pub data: Value,
}

impl StreamRow {
    /// Whether a generation of its run ended with it.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.event.as_str(), "run.completed" | "run.failed" | "run.cancelled")
    }
}

/// The events after each run's position, at most `per_run` of each, in order.
///
/// # Errors
/// If the server can't be reached.
pub async fn after(db: &Database, positions: &[(RunId, i64)], per_run: i64) -> Result<Vec<StreamRow>, DatabaseError> {
    let runs: Vec<Uuid> = positions.iter().map(|(run, _)| run.uuid()).collect();
    let seqs: Vec<i64> = positions.iter().map(|(_, seq)| *seq).collect();
    Ok(sqlx::query_as!(
        StreamRow,
        r#"SELECT e.run_id AS "run_id!: RunId", e.seq AS "seq!", e.event AS "event!", e.data AS "data!"
           FROM unnest($1::uuid[], $2::bigint[]) AS v(run_id, seq)
           CROSS JOIN LATERAL (
             SELECT run_id, seq, event, data FROM run_stream s WHERE s.run_id = v.run_id AND s.seq > v.seq ORDER BY s.seq LIMIT $3
           ) e
           ORDER BY e.run_id, e.seq"#,
        &runs,
        &seqs,
        per_run,
    )
    .fetch_all(db.fast())
    .await?)
}
