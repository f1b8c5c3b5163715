//! Interactions: what was said in a session, and what is still to be said.

use chrono::{DateTime, Utc};

use super::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{InteractionId, RunId, SessionId};

/// One thing said. An answer that has no row yet is made from its run: `streaming` while that is live, `failed`
/// when it failed.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// Its id; for an answer, reserved when the turn was accepted.
    pub id: InteractionId,
    /// Where it was said.
    pub session_id: SessionId,
    /// The run that it belongs to.
    pub run_id: Option<RunId>,
    /// `user`, `assistant` or `system`.
    pub role: String,
    /// `complete`, `streaming`, `partial`, `failed` or `blocked`.
    pub status: String,
    /// Its place in the session, from 1.
    pub sequence_number: i32,
    /// The client's own id.
    pub message_id: Option<String>,
    /// `text`.
    pub input_type: String,
    /// What was said; `None` while nothing is stored.
    pub content: Option<String>,
    /// A guard put its own words in place of the model's.
    pub filtered: bool,
    /// What replaced it.
    pub superseded_by: Option<InteractionId>,
    /// When it was said.
    pub created_at: DateTime<Utc>,
}

/// A page of a session's history, oldest first. The caller has found that the session may be seen.
///
/// # Errors
/// If the database fails.
pub async fn history(
    tx: &mut OrgTx<'_>,
    session: SessionId,
    superseded_too: bool,
    after: i32,
    limit: i64,
) -> Result<Vec<Interaction>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = sqlx::query_as!(
        Interaction,
        r#"SELECT h.id AS "id!: InteractionId", h.session_id AS "session_id!: SessionId", h.run_id AS "run_id: RunId",
             h.role AS "role!", h.status AS "status!", h.sequence_number AS "sequence_number!", h.message_id,
             h.input_type AS "input_type!", h.content, h.filtered AS "filtered!",
             h.superseded_by AS "superseded_by: InteractionId", h.created_at AS "created_at!"
           FROM (
             SELECT i.id, i.session_id, i.run_id, i.role, i.status, i.sequence_number, i.message_id, i.input_type, i.content,
               i.filtered, i.superseded_by, i.created_at
             FROM interactions i
             WHERE i.org_id = $1 AND i.session_id = $2 AND i.sequence_number > $4 AND ($3 OR i.superseded_by IS NULL)
             UNION ALL
             SELECT r.target_id, r.session_id, r.id, 'assistant', CASE r.status WHEN 'failed' THEN 'failed' ELSE 'streaming' END,
               r.user_sequence + 1, NULL, 'text', NULL, false, u.superseded_by, r.created_at
             FROM pipeline_runs r JOIN interactions u ON u.session_id = r.session_id AND u.sequence_number = r.user_sequence
             WHERE r.org_id = $1 AND r.session_id = $2 AND r.user_sequence + 1 > $4
               AND r.status IN ('queued', 'running', 'failed') AND r.target_id IS NOT NULL AND ($3 OR u.superseded_by IS NULL)
               AND NOT EXISTS (SELECT 1 FROM interactions a WHERE a.session_id = r.session_id AND a.sequence_number = r.user_sequence + 1)
           ) h ORDER BY h.sequence_number LIMIT $5"#,
        org,
        session.uuid(),
        superseded_too,
        after,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// How many interactions [`history`] would give in all.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut OrgTx<'_>, session: SessionId, superseded_too: bool) -> Result<Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
             SELECT 1 FROM interactions i WHERE i.org_id = $1 AND i.session_id = $2 AND ($3 OR i.superseded_by IS NULL)
             UNION ALL
             SELECT 1 FROM pipeline_runs r JOIN interactions u ON u.session_id = r.session_id AND u.sequence_number = r.user_sequence
             WHERE r.org_id = $1 AND r.session_id = $2 AND r.status IN ('queued', 'running', 'failed') AND r.target_id IS NOT NULL
               AND ($3 OR u.superseded_by IS NULL)
               AND NOT EXISTS (SELECT 1 FROM interactions a WHERE a.session_id = r.session_id AND a.sequence_number = r.user_sequence + 1)
             LIMIT $4) h"#,
        tx.org().uuid(),
        session.uuid(),
        superseded_too,
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}
