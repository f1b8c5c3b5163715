//! Submitting work: the idempotency key, the rank and what was asked for, in one transaction; then the wake-up.

use hellosales_core::content::Viewer;
use hellosales_core::database::OrgTx;
use hellosales_core::idempotency::{self, ClaimError, Claimed, KeyedRequest};
use hellosales_core::pulse::runs;
use hellosales_core::queue::{Wakes, rank};
use hellosales_core::run::Lane;
use hellosales_core::{DatabaseError, ErrorCode, OrgId, RunId};

use crate::error::Problem;
use crate::rate_limit::{self, Admission, RateLimit};
use crate::state::AppState;

/// Work that is submitted as a run.
pub(crate) trait Accept: Send + Sync {
    /// The lane that it goes in.
    const LANE: Lane;

    /// The run that it is to be.
    fn run_id(&self) -> RunId;

    /// Writes it, in the caller's transaction, with a rank of its lane. It may be tried several times.
    fn accept(&self, org: &mut OrgTx<'_>, rank: i64) -> impl Future<Output = Result<Accepted, Refusal>> + Send;
}

/// Work that stands.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its run.
    pub(crate) run_id: RunId,
    /// It stood before.
    pub(crate) replayed: bool,
    /// Whom to wake after the commit.
    pub(crate) wakes: Wakes,
}

/// Work on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Submission<W> {
    pub(crate) org: OrgId,
    pub(crate) viewer: Viewer,
    pub(crate) key: Option<KeyedRequest>,
    pub(crate) work: W,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submitted {
    pub(crate) run_id: RunId,
    pub(crate) replayed: bool,
    /// Of the organisation's budget, if it has one.
    pub(crate) left: Option<RateLimit>,
}

/// A lock that was not to be had, or a deadlock, is tried again this often.
const TRIES: u32 = 4;
/// Who has too much waiting may come back after so many seconds.
const BACKLOG_RETRY_SECONDS: u32 = 10;

/// Submits work.
///
/// # Errors
/// If it is refused, or the database can't be reached.
pub(crate) async fn submit<W: Accept>(state: &AppState, submission: &Submission<W>) -> Result<Submitted, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let rank = take_rank(state, submission.org, W::LANE).await?;
        match attempt(state, submission, rank).await {
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

/// Takes a rank just before the submit, so that the organisation's row isn't held over its fsync. Interactive work isn't ranked
/// by organisation, and has no backlog: its sessions bound what waits.
async fn take_rank(state: &AppState, org: OrgId, lane: Lane) -> Result<i64, Problem> {
    if lane == Lane::Interactive {
        return Ok(rank::take(state.db.fast(), org, lane, 1).await?.start);
    }
    let mut tx = state.db.begin_fast().await?;
    tx.enter(org).await?;
    let limit = state.config.max_backlog;
    if rank::backlog(tx.connection(), org, lane).await? >= limit {
        let message = format!("{limit} runs of the organisation wait already");
        return Err(Problem::new(ErrorCode::RateLimited, message).retry_after(BACKLOG_RETRY_SECONDS));
    }
    let rank = rank::take(tx.connection(), org, lane, 1).await?.start;
    tx.commit().await?;
    Ok(rank)
}

fn is_passing(error: &DatabaseError) -> bool {
    matches!(error.sqlstate().as_deref(), Some("55P03" | "40P01" | "40001"))
}

/// Why work does not stand; nothing was written.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It can't be.
    Problem(Problem),
    /// The database failed; perhaps it doesn't the next time.
    Database(DatabaseError),
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
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

/// The same key came with another request.
pub(crate) fn key_reused() -> Problem {
    Problem::new(ErrorCode::IdempotencyKeyReused, "the Idempotency-Key came before with another request")
}

/// The first request with this key has not ended.
pub(crate) fn in_flight() -> Problem {
    Problem::new(ErrorCode::IdempotencyInFlight, "the first request with this Idempotency-Key is still running")
        .retry_after(1)
}

async fn attempt<W: Accept>(
    state: &AppState,
    submission: &Submission<W>,
    rank: i64,
) -> Result<(Submitted, Wakes), Refusal> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(submission.org).await?;
    if let Some(key) = &submission.key {
        match idempotency::claim(&mut org, key, "run", submission.work.run_id().uuid()).await? {
            Claimed::New => {}
            Claimed::Replay(run) => {
                return Ok((Submitted { run_id: run.into(), replayed: true, left: None }, Wakes::default()));
            }
            Claimed::Reused => return Err(Refusal::Problem(key_reused())),
        }
    }
    let Accepted { run_id, replayed, wakes } = submission.work.accept(&mut org, rank).await?;
    if replayed && let Some(key) = &submission.key {
        idempotency::stand_for(&mut org, key, run_id.uuid()).await?;
    }
    let left = if replayed { None } else { admitted(&mut org).await? };
    let submitted = Submitted { run_id, replayed, left };
    match tx.commit().await {
        Ok(()) => Ok((submitted, wakes)),
        // The answer to COMMIT may have been lost: what is there now decides.
        Err(error) => match landed(state, submission.org, submission.viewer, run_id).await {
            Ok(true) => Ok((submitted, wakes)),
            Ok(false) | Err(_) => Err(error.into()),
        },
    }
}

/// Refuses what the organisation's budget doesn't reach for, if it says so. What stood before isn't asked.
///
/// # Errors
/// If it is refused, or the database can't be read.
pub(crate) async fn admitted(org: &mut OrgTx<'_>) -> Result<Option<RateLimit>, Refusal> {
    match rate_limit::admission(org).await? {
        Admission::Open(left) => Ok(left),
        Admission::Refused(problem) => Err(Refusal::Problem(problem)),
    }
}

async fn landed(state: &AppState, org: OrgId, viewer: Viewer, run: RunId) -> Result<bool, DatabaseError> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(org).await?;
    Ok(runs::get(&mut org, run, viewer).await?.is_some())
}
