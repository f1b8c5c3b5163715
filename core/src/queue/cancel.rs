//! Cancel: a run stops, whatever its steps do. Their rows go, so whoever still works on one has lost its token;
//! no confirmation is awaited (rule 7).

use serde_json::json;

use super::finish::{self, EndedRun};
use super::settle::{self, Landed, LockedRun, Work};
use super::submit::stage_number;
use super::{End, Wakes, turn};
use crate::audit;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{InteractionId, OrgId, RunId, SessionId};
use crate::run::{RunStatus, StatusReason};

/// What became of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is done.
    Now,
    /// It was done before.
    Before,
    /// The run had ended otherwise.
    Ended(RunStatus),
    /// There is no such run.
    NotFound,
}

/// Cancels a run of an organisation. What a chat turn has said so far becomes the assistant's interaction,
/// `partial`. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn cancel(
    db: &Database,
    org: OrgId,
    run: RunId,
    reason: StatusReason,
) -> Result<(Cancelled, Wakes), DatabaseError> {
    cancel_audited(db, org, run, reason, None).await
}

/// The same; what is done is written into the audit log with it.
///
/// # Errors
/// As [`cancel`].
pub async fn cancel_audited(
    db: &Database,
    org: OrgId,
    run: RunId,
    reason: StatusReason,
    entry: Option<&audit::Entry<'_>>,
) -> Result<(Cancelled, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    let (cancelled, wakes) = within(&mut tx, org, run, reason).await?;
    if cancelled == Cancelled::Now {
        if let Some(entry) = entry {
            audit::record(tx.connection(), entry).await?;
        }
        tx.commit().await?;
    }
    Ok((cancelled, wakes))
}

/// The same within a transaction. What can't be cancelled has written nothing.
pub(crate) async fn within(
    tx: &mut Tx,
    org: OrgId,
    run: RunId,
    reason: StatusReason,
) -> Result<(Cancelled, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    tx.enter(org).await?;
    // The session is locked before the run, so it is read first, without a lock: a run never changes its session.
    let Some(found) = find(tx, org, run).await? else { return Ok((Cancelled::NotFound, wakes)) };
    if let Some(session) = found.session_id {
        sqlx::query!("SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session.uuid())
            .fetch_optional(tx.connection())
            .await?;
    }
    let Some(mut locked) = settle::lock_run(tx, run).await? else { return Ok((Cancelled::NotFound, wakes)) };
    match locked.status {
        RunStatus::Cancelled => return Ok((Cancelled::Before, wakes)),
        RunStatus::Queued | RunStatus::Running => {}
        ended => return Ok((Cancelled::Ended(ended), wakes)),
    }
    let result = keep_partial(tx, &locked, found.user_sequence).await?;
    let ended = EndedRun::folded(&mut locked, RunStatus::Cancelled, Some(reason), None, None)
        .with_result(result.map(|id| json!({"interaction_id": id})));
    finish::finish(tx, &[ended], &mut wakes).await?;
    wakes.cancels.push(run);
    Ok((Cancelled::Now, wakes))
}

/// A guard's decision, in the settlement of its stage.
pub(super) fn by_stage(work: &mut Work, run: &mut LockedRun, end: &Landed<'_>) {
    let End::Cancel { reason, .. } = end.settlement.end else { return };
    let step = &end.settlement.step;
    let ended = EndedRun::folded(run, RunStatus::Cancelled, Some(reason), Some(step.token), step.claimed_at)
        .with_cancelled_stage(stage_number(step.stage));
    work.ended.push(ended);
    work.wakes.cancels.push(run.id);
}

struct Found {
    session_id: Option<SessionId>,
    user_sequence: Option<i32>,
}

async fn find(tx: &mut Tx, org: OrgId, run: RunId) -> Result<Option<Found>, DatabaseError> {
    Ok(sqlx::query_as!(
        Found,
        r#"SELECT session_id AS "session_id: SessionId", user_sequence FROM pipeline_runs WHERE id = $1 AND org_id = $2"#,
        run.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// Of a turn that has streamed: the deltas after its last reset, joined, become the assistant's row. Nothing
/// said, no row.
async fn keep_partial(
    tx: &mut Tx,
    run: &LockedRun,
    user_sequence: Option<i32>,
) -> Result<Option<InteractionId>, DatabaseError> {
    let (Some(session), Some(user_sequence)) = (run.session_id, user_sequence) else { return Ok(None) };
    let text = sqlx::query_scalar!(
        "SELECT string_agg(data ->> 'delta', '' ORDER BY seq) FROM run_stream
         WHERE run_id = $1 AND event = 'output.delta'
           AND seq > coalesce((SELECT max(seq) FROM run_stream WHERE run_id = $1 AND event = 'output.reset'), 0)",
        run.id.uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let id = turn::answer_id(run.id);
    let inserted = sqlx::query!(
        "INSERT INTO interactions (id, org_id, session_id, run_id, role, status, content, sequence_number, superseded_by, created_at)
         SELECT $1, u.org_id, u.session_id, u.run_id, 'assistant', 'partial', $2, u.sequence_number + 1, u.superseded_by, clock_timestamp()
         FROM interactions u WHERE u.session_id = $3 AND u.sequence_number = $4
         ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        text,
        session.uuid(),
        user_sequence,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "UPDATE sessions SET interaction_count = interaction_count + $2, last_interaction_at = clock_timestamp() WHERE id = $1",
        session.uuid(),
        i32::try_from(inserted.rows_affected()).unwrap_or(0),
    )
    .execute(tx.connection())
    .await?;
    Ok(Some(id))
}
