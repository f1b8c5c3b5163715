//! What is told to a batch that is there: each is 200 also the second time, and 409 where it can't be done.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::queue::Wakes;
use hellosales_core::queue::batch::{self, Changed};
use hellosales_core::{BatchId, Database, DatabaseError, ErrorCode, OrgId};

use super::{batch_not_found, read, whole};
use crate::auth::{BatchManage, BatchWrite, Caller, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, NoBody, Query};
use crate::object::BatchObject;
use crate::state::AppState;

type Changing<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(Changed, Wakes), DatabaseError>> + Send + 'a>>;

/// A transition of `core`, by its name.
macro_rules! transition {
    ($name:ident) => {
        |db, org, id, actor| Box::pin(batch::$name(db, org, id, actor))
    };
}

async fn steer(
    state: &AppState,
    caller: &Caller,
    id: BatchId,
    transition: for<'a> fn(&'a Database, OrgId, BatchId, &'a str) -> Changing<'a>,
) -> Result<Response, Problem> {
    let (work, org, actor) = (state.clone(), caller.org(), format!("user:{}", caller.user()));
    let changed = async move {
        let (changed, wakes) = transition(&work.db, org, id, &actor).await?;
        work.notifier.send(wakes);
        Ok(changed)
    };
    match state.detached(changed).await? {
        Changed::Now | Changed::Before => Ok(whole(StatusCode::OK, &read(state, caller, id).await?)),
        Changed::InvalidState(status) => Err(Problem::new(ErrorCode::InvalidState, format!("the batch is {status}"))),
        Changed::NothingFailed => {
            let text = "nothing of the batch failed, and what was cancelled is not tried again";
            Err(Problem::new(ErrorCode::InvalidState, text))
        }
        Changed::NotFound => Err(batch_not_found()),
    }
}

/// Writes the sample again, with what the batch says now.
#[utoipa::path(post, path = "/email-batches/{id}/sample", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn sample(
    State(state): State<AppState>,
    may: May<BatchWrite>,
    (Id(id), _): (Id<BatchId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    steer(&state, &may.caller, id, transition!(resample)).await
}

/// Lets the rest be written, now that the sample is.
#[utoipa::path(post, path = "/email-batches/{id}/approve", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn approve(
    State(state): State<AppState>,
    may: May<BatchWrite>,
    (Id(id), _): (Id<BatchId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    steer(&state, &may.caller, id, transition!(approve)).await
}

/// Lets a batch stand still: what is being written ends, nothing more is begun.
#[utoipa::path(post, path = "/email-batches/{id}/pause", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn pause(
    State(state): State<AppState>,
    may: May<BatchManage>,
    (Id(id), _): (Id<BatchId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    steer(&state, &may.caller, id, transition!(pause)).await
}

/// Lets a paused batch go on from where it was: one that waited for a yes waits for it again.
#[utoipa::path(post, path = "/email-batches/{id}/resume", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn resume(
    State(state): State<AppState>,
    may: May<BatchManage>,
    (Id(id), _): (Id<BatchId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    steer(&state, &may.caller, id, transition!(resume)).await
}

/// Stops a batch. What is written stays.
#[utoipa::path(post, path = "/email-batches/{id}/cancel", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    may: May<BatchManage>,
    (Id(id), _): (Id<BatchId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    steer(&state, &may.caller, id, transition!(cancel)).await
}

/// Tries what failed again; of a completed batch this begins a new round.
#[utoipa::path(post, path = "/email-batches/{id}/retry-failed", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn retry_failed(
    State(state): State<AppState>,
    may: May<BatchWrite>,
    (Id(id), _): (Id<BatchId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    steer(&state, &may.caller, id, transition!(retry_failed)).await
}
