//! What was said before a turn: all that its prompt may hold, and nothing that was said later or was refused
//! (`protocol.md` 7, rule 10).

use serde::{Deserialize, Serialize};

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::SessionId;
use crate::pipeline::CHAT;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// By the assistant; else by the user.
    pub by_assistant: bool,
    /// The text.
    pub content: String,
    /// Its number in the session.
    pub sequence_number: i32,
}

/// The most interactions that one prompt looks at.
const MOST: i64 = 200;

/// What was said after one interaction and before another, oldest first; of more than 200, the newest.
///
/// Complete and partial ones; a user's only if its run's `input_guard` is done, however that turn ended: a cancelled or
/// failed one may never have passed its guard. One whose run retention has taken had passed it. Never what was blocked or superseded.
///
/// # Errors
/// If the database can't be read.
pub async fn between(
    tx: &mut OrgTx<'_>,
    session: SessionId,
    after: i32,
    before: i32,
) -> Result<Vec<Said>, DatabaseError> {
    let org = tx.org().uuid();
    let guarded = CHAT.stage("input_guard").map_or(0_i64, |bit| 1 << bit);
    let mut said = sqlx::query_as!(
        Said,
        r#"SELECT i.role = 'assistant' AS "by_assistant!", i.content AS "content!", i.sequence_number
           FROM interactions i LEFT JOIN pipeline_runs r ON r.id = i.run_id
           WHERE i.org_id = $1 AND i.session_id = $2 AND i.sequence_number > $3 AND i.sequence_number < $4
             AND i.status IN ('complete', 'partial') AND i.superseded_by IS NULL AND i.content <> ''
             AND (i.role = 'assistant' OR (i.role = 'user' AND (r.done & $5 <> 0 OR r.id IS NULL AND i.run_id IS NOT NULL)))
           ORDER BY i.sequence_number DESC LIMIT $6"#,
        org,
        session.uuid(),
        after,
        before,
        guarded,
        MOST
    )
    .fetch_all(tx.connection())
    .await?;
    said.reverse();
    Ok(said)
}
