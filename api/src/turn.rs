//! Submitting a message: the idempotency key, the rank, the turn and the session's title, in one transaction; then
//! the wake-up.

use hellosales_core::content::{Viewer, session};
use hellosales_core::idempotency::{self, ClaimError, Claimed, KeyedRequest};
use hellosales_core::queue::turn::{self, AcceptedTurn, NewTurn, TurnError};
use hellosales_core::queue::{Wakes, rank};
use hellosales_core::run::Lane;
use hellosales_core::{DatabaseError, ErrorCode, OrgId, RunId};

use crate::error::{Fault, Problem};
use crate::state::AppState;

/// A message on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) org: OrgId,
    pub(crate) viewer: Viewer,
    pub(crate) key: Option<KeyedRequest>,
    pub(crate) turn: NewTurn,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submitted {
    pub(crate) run_id: RunId,
    pub(crate) replayed: bool,
}

/// A lock that was not to be had, or a deadlock, is tried again this often.
const TRIES: u32 = 4;

/// Submits a message.
///
/// # Errors
/// If the session doesn't take it, or the database can't be reached.
pub(crate) async fn submit(state: &AppState, mut submission: Submission) -> Result<Submitted, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let rank = rank::take(state.db.fast(), submission.org, Lane::Interactive, 1).await?;
        submission.turn.rank = rank.start;
        match attempt(state, &submission).await {
            Ok((submitted, wakes)) => {
                state.notifier.send(wakes);
                return Ok(submitted);
            }
            Err(Refusal::Database(error)) if tries < TRIES && is_passing(&error) => {}
            Err(Refusal::Database(error)) => return Err(error.into()),
            Err(Refusal::Problem(problem)) => return Err(problem),
        }
    }
}

fn is_passing(error: &DatabaseError) -> bool {
    matches!(error.sqlstate().as_deref(), Some("55P03" | "40P01" | "40001"))
}

enum Refusal {
    Problem(Problem),
    Database(DatabaseError),
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<ClaimError> for Refusal {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::InFlight => Self::Problem(in_flight()),
            ClaimError::Database(error) => Self::Database(error),
        }
    }
}

impl From<TurnError> for Refusal {
    fn from(error: TurnError) -> Self {
        let message = error.to_string();
        Self::Problem(match error {
            TurnError::Database(error) => return Self::Database(error),
            TurnError::SessionNotFound => session_not_found(),
            TurnError::SessionEnded | TurnError::StillRunning => Problem::new(ErrorCode::InvalidState, message),
            TurnError::TooManyWaiting => Problem::new(ErrorCode::RateLimited, message).retry_after(5),
            TurnError::MessageIdReused => Problem::new(ErrorCode::MessageIdReused, message),
            TurnError::NotTheLastTurn => Problem::invalid(vec![Fault::new(
                "/replaces",
                "not_the_last_turn",
                "must be the user's part of the last turn",
            )]),
        })
    }
}

/// The same key came with another request.
pub(crate) fn key_reused() -> Problem {
    Problem::new(ErrorCode::IdempotencyKeyReused, "the Idempotency-Key came before with another request")
}

/// The first request with this key has not ended.
pub(crate) fn in_flight() -> Problem {
    Problem::new(ErrorCode::IdempotencyInFlight, "the first request with this Idempotency-Key is still running")
        .retry_after(1)
}

/// For a session of others as for one that isn't there.
pub(crate) fn session_not_found() -> Problem {
    Problem::new(ErrorCode::SessionNotFound, "there is no such session")
}

async fn attempt(state: &AppState, submission: &Submission) -> Result<(Submitted, Wakes), Refusal> {
    let new = &submission.turn;
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(submission.org).await?;
    if let Some(key) = &submission.key {
        match idempotency::claim(&mut org, key, "run", new.run_id.uuid()).await? {
            Claimed::New => {}
            Claimed::Replay(run) => return Ok((Submitted { run_id: run.into(), replayed: true }, Wakes::default())),
            Claimed::Reused => return Err(Refusal::Problem(key_reused())),
        }
    }
    if !session::lock(&mut org, new.session_id, submission.viewer).await? {
        return Err(Refusal::Problem(session_not_found()));
    }
    let AcceptedTurn { run_id, replayed, wakes } = turn::accept(&mut org, new).await?;
    if replayed && let Some(key) = &submission.key {
        idempotency::stand_for(&mut org, key, run_id.uuid()).await?;
    }
    if !replayed {
        session::title_from(&mut org, new.session_id, &new.message).await?;
    }
    let submitted = Submitted { run_id, replayed };
    match tx.commit().await {
        Ok(()) => Ok((submitted, wakes)),
        // The answer to COMMIT may have been lost: what is there now decides.
        Err(error) => match landed(state, submission, run_id).await {
            Ok(true) => Ok((submitted, wakes)),
            Ok(false) | Err(_) => Err(error.into()),
        },
    }
}

async fn landed(state: &AppState, submission: &Submission, run: RunId) -> Result<bool, DatabaseError> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(submission.org).await?;
    let found = hellosales_core::pulse::runs::get(&mut org, run, submission.viewer).await?;
    Ok(found.is_some())
}
