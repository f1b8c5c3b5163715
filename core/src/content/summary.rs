//! The older part of a conversation, told shorter; and the count that says when another summary is due.

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{RunId, SessionId, SummaryId};

/// A summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What it says.
    pub text: String,
    /// Interactions up to and with this one are in it.
    pub cutoff_sequence: i32,
    /// Its number in the session, from 1.
    pub version: i32,
}

/// The newest summary that covers nothing at or after an interaction.
///
/// # Errors
/// If the database can't be read.
pub async fn before(tx: &mut OrgTx<'_>, session: SessionId, sequence: i32) -> Result<Option<Summary>, DatabaseError> {
    let org = tx.org().uuid();
    let summary = sqlx::query_as!(
        Summary,
        "SELECT summary_text AS text, cutoff_sequence, version FROM session_summaries
         WHERE org_id = $1 AND session_id = $2 AND cutoff_sequence < $3
         ORDER BY cutoff_sequence DESC, version DESC LIMIT 1",
        org,
        session.uuid(),
        sequence
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(summary)
}

/// How a session stands with its summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Turns answered since the last summary was asked for.
    pub turns_since_summary: i32,
    /// What the last summary covers.
    pub last_cutoff_sequence: i32,
    /// The summary that is on its way.
    pub pending_run_id: Option<RunId>,
}

/// Counts one more answered turn. The caller's transaction holds the session's lock.
///
/// # Errors
/// If the database refuses.
pub async fn count_turn(tx: &mut OrgTx<'_>, session: SessionId) -> Result<Cadence, DatabaseError> {
    let org = tx.org().uuid();
    let cadence = sqlx::query_as!(
        Cadence,
        r#"INSERT INTO summary_states AS s (session_id, org_id, turns_since_summary) VALUES ($1, $2, 1)
           ON CONFLICT (session_id) DO UPDATE SET turns_since_summary = s.turns_since_summary + 1, updated_at = clock_timestamp()
           RETURNING turns_since_summary, last_cutoff_sequence, pending_run_id AS "pending_run_id: RunId""#,
        session.uuid(),
        org
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(cadence)
}

/// Notes that a summary is on its way; false if another one is.
///
/// # Errors
/// If the database refuses.
pub async fn set_pending(tx: &mut OrgTx<'_>, session: SessionId, run: RunId) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let done = sqlx::query!(
        "UPDATE summary_states SET pending_run_id = $3, updated_at = clock_timestamp()
         WHERE session_id = $1 AND org_id = $2 AND pending_run_id IS NULL",
        session.uuid(),
        org,
        run.uuid()
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A summary that was made.
#[derive(Debug, Clone)]
pub struct NewSummary {
    /// Its id, derived from its run.
    pub id: SummaryId,
    /// Whose.
    pub session_id: SessionId,
    /// By which run.
    pub run_id: RunId,
    /// What it says.
    pub text: String,
    /// What it covers.
    pub cutoff_sequence: i32,
    /// Its length, if the provider told it.
    pub token_count: Option<i32>,
    /// The turns that it was asked for after.
    pub turns_counted: i32,
}

/// Writes a summary as the session's next version, and takes the turns that it was asked for off the count; nothing
/// if it is there. The caller's transaction holds the session's lock. That no summary is on its way any more is
/// noted where its run ends.
///
/// # Errors
/// If the database refuses.
pub async fn insert(tx: &mut OrgTx<'_>, summary: &NewSummary) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let inserted = sqlx::query!(
        "INSERT INTO session_summaries (id, org_id, session_id, run_id, version, summary_text, cutoff_sequence, token_count)
         SELECT $1, $2, $3, $4, coalesce(max(version), 0) + 1, $5, $6, $7 FROM session_summaries
         WHERE org_id = $2 AND session_id = $3
         ON CONFLICT (id) DO NOTHING",
        summary.id.uuid(),
        org,
        summary.session_id.uuid(),
        summary.run_id.uuid(),
        summary.text,
        summary.cutoff_sequence,
        summary.token_count,
    )
    .execute(tx.connection())
    .await?
    .rows_affected()
        > 0;
    if inserted {
        sqlx::query!(
            "UPDATE summary_states SET turns_since_summary = greatest(0, turns_since_summary - $3),
               last_cutoff_sequence = greatest(last_cutoff_sequence, $4), last_summary_at = clock_timestamp(),
               updated_at = clock_timestamp()
             WHERE session_id = $1 AND org_id = $2",
            summary.session_id.uuid(),
            org,
            summary.turns_counted,
            summary.cutoff_sequence,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(inserted)
}
