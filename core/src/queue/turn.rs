//! Turn: what a user says in a session, accepted as a run that waits for the turns before it (`protocol.md` 7).

use super::Wakes;
use super::submit::{self, NewRun, Turn};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{InteractionId, RunId, SessionId, UserId};
use crate::pipeline::{CHAT, ChatInput};
use crate::run::{QualityMode, RunStatus};

/// At most this many turns wait in a session.
pub const MAX_WAITING: i32 = 20;

/// The thing that a turn makes.
pub const TARGET: &str = "interaction";

/// What a user says.
#[derive(Debug, Clone)]
pub struct NewTurn {
    /// The run that will answer it.
    pub run_id: RunId,
    /// Where.
    pub session_id: SessionId,
    /// Who.
    pub user_id: UserId,
    /// What.
    pub message: String,
    /// The client's own id of it: the same one twice is one turn.
    pub message_id: Option<String>,
    /// How much thought the answer may take.
    pub quality_mode: QualityMode,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u32>,
    /// The user's interaction of the last turn, to be edited or asked again.
    pub replaces: Option<InteractionId>,
    /// The request.
    pub request_id: Option<String>,
    /// The trace (W3C).
    pub traceparent: Option<String>,
    /// How long an attempt at a stage may take, where the graph doesn't say.
    pub stage_timeout_ms: i32,
    /// Its rank: see [`super::rank::take`].
    pub rank: i64,
}

/// A turn that stands.
#[derive(Debug, Clone)]
pub struct AcceptedTurn {
    /// Its run.
    pub run_id: RunId,
    /// It had been accepted before, under the same `message_id`.
    pub replayed: bool,
    /// Whom to wake after the commit.
    pub wakes: Wakes,
}

/// Why a turn was refused; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// No such session in this organisation.
    #[error("no such session")]
    SessionNotFound,
    /// The session takes no more turns.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many turns wait already.
    #[error("{MAX_WAITING} turns wait already")]
    TooManyWaiting,
    /// The `message_id` was used for another text.
    #[error("the message id was used for another text")]
    MessageIdReused,
    /// `replaces` is not the user's part of the last turn.
    #[error("only the last turn can be replaced")]
    NotTheLastTurn,
    /// The turn that `replaces` names has not ended.
    #[error("the turn to be replaced has not ended")]
    StillRunning,
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for TurnError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

struct LockedSession {
    state: String,
    turns: i32,
    waiting: i32,
    active_run_id: Option<RunId>,
}

/// Accepts a turn, in the caller's transaction; the idempotency key, if there is one, is taken before.
///
/// # Errors
/// If the session doesn't take it, or the database refuses.
pub async fn accept(tx: &mut OrgTx<'_>, turn: &NewTurn) -> Result<AcceptedTurn, TurnError> {
    let session = lock_session(tx, turn.session_id).await?.ok_or(TurnError::SessionNotFound)?;
    if let Some(run_id) = find_message(tx, turn).await? {
        return Ok(AcceptedTurn { run_id, replayed: true, wakes: Wakes::default() });
    }
    if session.state != "active" {
        return Err(TurnError::SessionEnded);
    }
    let waits = session.active_run_id.is_some();
    if waits && session.waiting >= MAX_WAITING {
        return Err(TurnError::TooManyWaiting);
    }
    let place = Turn { number: session.turns + 1, waits };
    let user_interaction = InteractionId::derived(turn.run_id, "accept", 0);
    if let Some(replaced) = turn.replaces {
        supersede(tx, turn.session_id, &session, replaced, user_interaction).await?;
    }
    insert_user_interaction(tx, turn, place, user_interaction).await?;
    submit::submit(tx, &run_of(turn, place, user_interaction)?).await?;
    sqlx::query!(
        "UPDATE sessions SET turns = $2, active_run_id = coalesce(active_run_id, $3), waiting = waiting + $4,
           interaction_count = interaction_count + 1, last_interaction_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1",
        turn.session_id.uuid(),
        place.number,
        turn.run_id.uuid(),
        i32::from(waits),
    )
    .execute(tx.connection())
    .await?;
    let mut wakes = Wakes::default();
    if !waits {
        wakes.lane(CHAT.lane);
    }
    Ok(AcceptedTurn { run_id: turn.run_id, replayed: false, wakes })
}

/// The id that the assistant's interaction of a run will have.
#[must_use]
pub fn answer_id(run: RunId) -> InteractionId {
    InteractionId::derived(run, "persist", 0)
}

fn run_of(turn: &NewTurn, place: Turn, user_interaction: InteractionId) -> Result<NewRun, DatabaseError> {
    let answer = answer_id(turn.run_id);
    let input = ChatInput {
        message: turn.message.clone(),
        message_id: turn.message_id.clone(),
        user_interaction_id: user_interaction,
        assistant_interaction_id: answer,
        temperature: turn.temperature,
        max_tokens: turn.max_tokens,
    };
    Ok(NewRun {
        user_id: Some(turn.user_id),
        session_id: Some(turn.session_id),
        turn: Some(place),
        interaction_id: Some(user_interaction),
        target: Some((TARGET, answer.uuid())),
        request_id: turn.request_id.clone(),
        traceparent: turn.traceparent.clone(),
        quality_mode: turn.quality_mode,
        stream: true,
        ..NewRun::new(turn.run_id, &input, turn.rank, turn.stage_timeout_ms)?
    })
}

async fn lock_session(tx: &mut OrgTx<'_>, session: SessionId) -> Result<Option<LockedSession>, DatabaseError> {
    let org = tx.org();
    Ok(sqlx::query_as!(
        LockedSession,
        r#"SELECT state, turns, waiting, active_run_id AS "active_run_id: RunId" FROM sessions
           WHERE id = $1 AND org_id = $2 FOR NO KEY UPDATE"#,
        session.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?)
}

async fn find_message(tx: &mut OrgTx<'_>, turn: &NewTurn) -> Result<Option<RunId>, TurnError> {
    let Some(message_id) = &turn.message_id else { return Ok(None) };
    let seen = sqlx::query!(
        r#"SELECT run_id AS "run_id: RunId", content FROM interactions WHERE session_id = $1 AND message_id = $2"#,
        turn.session_id.uuid(),
        message_id,
    )
    .fetch_optional(tx.connection())
    .await?;
    match seen {
        Some(seen) if seen.content.as_deref() == Some(turn.message.as_str()) => Ok(seen.run_id),
        Some(_) => Err(TurnError::MessageIdReused),
        None => Ok(None),
    }
}

async fn insert_user_interaction(
    tx: &mut OrgTx<'_>,
    turn: &NewTurn,
    place: Turn,
    id: InteractionId,
) -> Result<(), DatabaseError> {
    let org = tx.org();
    sqlx::query!(
        "INSERT INTO interactions (id, org_id, session_id, run_id, role, status, message_id, content, sequence_number, created_at)
         VALUES ($1, $2, $3, $4, 'user', 'complete', $5, $6, $7, clock_timestamp())",
        id.uuid(),
        org.uuid(),
        turn.session_id.uuid(),
        turn.run_id.uuid(),
        turn.message_id,
        turn.message,
        place.user_sequence(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The old pair leaves the history and later prompts. Its run must have ended: a live one would still be answered.
async fn supersede(
    tx: &mut OrgTx<'_>,
    session_id: SessionId,
    session: &LockedSession,
    replaced: InteractionId,
    by: InteractionId,
) -> Result<(), TurnError> {
    let last = sqlx::query!(
        r#"SELECT i.id AS "id: InteractionId", r.status FROM interactions i JOIN pipeline_runs r ON r.id = i.run_id
           WHERE i.session_id = $1 AND i.sequence_number = $2 AND i.superseded_by IS NULL"#,
        session_id.uuid(),
        2 * session.turns - 1,
    )
    .fetch_optional(tx.connection())
    .await?;
    let last = last.filter(|last| last.id == replaced).ok_or(TurnError::NotTheLastTurn)?;
    if !RunStatus::parse(&last.status)?.has_ended() {
        return Err(TurnError::StillRunning);
    }
    sqlx::query!(
        "UPDATE interactions SET superseded_by = $3 WHERE session_id = $1 AND sequence_number IN ($2, $2 + 1)",
        session_id.uuid(),
        2 * session.turns - 1,
        by.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
