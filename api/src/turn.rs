//! Submitting a message: the turn, and the session's title.

use hellosales_core::content::{Viewer, session};
use hellosales_core::database::OrgTx;
use hellosales_core::queue::turn::{self, AcceptedTurn, NewTurn, TurnError};
use hellosales_core::run::Lane;
use hellosales_core::{ErrorCode, RunId};

use crate::error::{Fault, Problem};
use crate::submit::{Accept, Accepted, Refusal};

pub(crate) use crate::submit::{in_flight, key_reused};

/// A message on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) viewer: Viewer,
    pub(crate) turn: NewTurn,
}

impl Accept for Message {
    const LANE: Lane = Lane::Interactive;

    fn run_id(&self) -> RunId {
        self.turn.run_id
    }

    async fn accept(&self, org: &mut OrgTx<'_>, rank: i64) -> Result<Accepted, Refusal> {
        let new = NewTurn { rank, ..self.turn.clone() };
        if !session::lock(org, new.session_id, self.viewer).await? {
            return Err(Refusal::Problem(session_not_found()));
        }
        let AcceptedTurn { run_id, replayed, wakes } = turn::accept(org, &new).await?;
        if !replayed {
            session::title_from(org, new.session_id, &new.message).await?;
        }
        Ok(Accepted { run_id, replayed, wakes })
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

/// For a session of others as for one that isn't there.
pub(crate) fn session_not_found() -> Problem {
    Problem::new(ErrorCode::SessionNotFound, "there is no such session")
}
