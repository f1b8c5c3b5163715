//! Writing tokens: one statement for all streams of a process, without a lock, and without waiting for the disk.

use std::collections::HashSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Field, delta, seq};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{LeaseToken, RunId};

/// One event of a streaming attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// More text.
    Delta {
        /// Of which field.
        field: Field,
        /// The text.
        text: String,
    },
    /// What was said is taken back.
    Reset(ResetReason),
}

/// Why what was said is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// It is told again.
    Retry,
    /// A guard refused it.
    Filtered,
}

impl ResetReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Filtered => "filtered",
        }
    }
}

/// What one streaming attempt has to write.
#[derive(Debug, Clone)]
pub struct Flush {
    /// The run.
    pub run_id: RunId,
    /// The stage's place in its graph.
    pub stage: usize,
    /// The fence.
    pub token: LeaseToken,
    /// The number of the attempt.
    pub attempt: i16,
    /// The attempt's major.
    pub major: i32,
    /// The minor of the first chunk.
    pub first_minor: i32,
    /// What to write, in order.
    pub chunks: Vec<Chunk>,
}

impl Chunk {
    const fn event(&self) -> &'static str {
        match self {
            Self::Delta { .. } => "output.delta",
            Self::Reset(_) => "output.reset",
        }
    }

    fn data(&self, attempt: i16) -> Value {
        match self {
            Self::Delta { field, text } => delta(*field, text, attempt),
            Self::Reset(reason) => json!({"reason": reason.as_str(), "attempt": attempt}),
        }
    }
}

/// Writes, for each attempt that still has its token and whose event before the first chunk is there; so neither a
/// zombie nor a database that forgot a commit can leave a hole unnoticed. Returns the runs that were written.
///
/// # Errors
/// If the server refused, or did not answer: then each stream must be opened anew.
pub async fn flush(db: &Database, flushes: &[Flush]) -> Result<HashSet<RunId>, DatabaseError> {
    let mut runs: Vec<Uuid> = Vec::new();
    let mut stages: Vec<i16> = Vec::new();
    let mut tokens: Vec<Uuid> = Vec::new();
    let mut before: Vec<i64> = Vec::new();
    let mut seqs: Vec<i64> = Vec::new();
    let mut events: Vec<String> = Vec::new();
    let mut data: Vec<Value> = Vec::new();
    for flush in flushes {
        for (minor, chunk) in (flush.first_minor..).zip(&flush.chunks) {
            runs.push(flush.run_id.uuid());
            stages.push(i16::try_from(flush.stage).unwrap_or(i16::MAX));
            tokens.push(flush.token.uuid());
            before.push(seq(flush.major, flush.first_minor) - 1);
            seqs.push(seq(flush.major, minor));
            events.push(chunk.event().to_owned());
            data.push(chunk.data(flush.attempt));
        }
    }
    if runs.is_empty() {
        return Ok(HashSet::new());
    }
    let written = sqlx::query_scalar!(
        r#"INSERT INTO run_stream (run_id, seq, org_id, event, data)
           SELECT v.run_id, v.seq, s.org_id, v.event, v.data || jsonb_build_object('at', to_jsonb(clock_timestamp()))
           FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::jsonb[])
                  AS v(run_id, stage, token, before, seq, event, data)
           JOIN pipeline_steps s ON s.run_id = v.run_id AND s.stage = v.stage AND s.lease_token = v.token AND s.status = 'running'
           WHERE s.run_id = ANY($1) AND EXISTS (SELECT 1 FROM run_stream b WHERE b.run_id = v.run_id AND b.seq = v.before)
           RETURNING run_id AS "run_id: RunId""#,
        &runs,
        &stages,
        &tokens,
        &before,
        &seqs,
        &events,
        &data,
    )
    .fetch_all(db.fast())
    .await?;
    Ok(written.into_iter().collect())
}
