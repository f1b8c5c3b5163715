//! The assistant's row of a turn: written once, under the id that was reserved when the turn was accepted.

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{InteractionId, ProviderCallId, RunId, SessionId};

/// What the assistant said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The reserved id.
    pub id: InteractionId,
    /// Where it was said.
    pub session_id: SessionId,
    /// By which run.
    pub run_id: RunId,
    /// The user's interaction that it answers.
    pub user_interaction_id: InteractionId,
    /// Its number in the session: the user's and one.
    pub sequence_number: i32,
    /// The text.
    pub content: String,
    /// The text stands in place of one that a guard refused.
    pub filtered: bool,
    /// The call that made it.
    pub llm_provider_call_id: Option<ProviderCallId>,
}

/// Inserts the assistant's row unless it is there; tells whether it did. A turn that was replaced in the meantime
/// hands its successor on. The caller's transaction holds the session's lock.
///
/// # Errors
/// If the database refuses.
pub async fn insert(tx: &mut OrgTx<'_>, answer: &Answer) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let inserted = sqlx::query!(
        "INSERT INTO interactions (id, org_id, session_id, run_id, role, status, content, filtered, superseded_by,
           llm_provider_call_id, sequence_number)
         VALUES ($1, $2, $3, $4, 'assistant', 'complete', $5, $6,
           (SELECT superseded_by FROM interactions WHERE id = $7 AND org_id = $2), $8, $9)
         ON CONFLICT (id) DO NOTHING",
        answer.id.uuid(),
        org,
        answer.session_id.uuid(),
        answer.run_id.uuid(),
        answer.content,
        answer.filtered,
        answer.user_interaction_id.uuid(),
        answer.llm_provider_call_id.map(ProviderCallId::uuid),
        answer.sequence_number,
    )
    .execute(tx.connection())
    .await?
    .rows_affected()
        > 0;
    if inserted {
        sqlx::query!(
            "UPDATE sessions SET interaction_count = interaction_count + 1, last_interaction_at = clock_timestamp(),
               updated_at = clock_timestamp()
             WHERE id = $1 AND org_id = $2",
            answer.session_id.uuid(),
            org
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(inserted)
}

/// Marks what a user said as refused by a guard: no prompt ever holds it.
///
/// # Errors
/// If the database refuses.
pub async fn block_question(tx: &mut OrgTx<'_>, question: InteractionId) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE interactions SET status = 'blocked' WHERE id = $1 AND org_id = $2 AND role = 'user'",
        question.uuid(),
        org
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
