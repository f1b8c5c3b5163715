//! `POST /email-batches`: a batch, accepted.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use hellosales_core::batch::{self, Batch, NewBatch};
use hellosales_core::idempotency::{self, ClaimError, Claimed, KeyedRequest};
use hellosales_core::queue::Wakes;
use hellosales_core::{BatchId, DatabaseError, OrgId};

use super::new::{NewBatchBody, refused};
use super::{read, whole};
use crate::auth::{BatchWrite, May};
use crate::envelope::{RequestId, TraceParent};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, IdempotencyKey, Query};
use crate::object::BatchObject;
use crate::rate_limit::RateLimit;
use crate::routes::{REPLAYED, with_header};
use crate::state::AppState;
use crate::submit::{Refusal, admitted};
use crate::turn::{in_flight, key_reused};

/// A lock that was not to be had, or a deadlock, is tried again this often.
const TRIES: u32 = 4;

/// What a submit needs of the request's head.
pub(super) struct Head {
    key: IdempotencyKey,
    request_id: Option<String>,
    traceparent: Option<String>,
}

impl FromRequestParts<AppState> for Head {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Ok(Self {
            key: IdempotencyKey::from_request_parts(parts, state).await?.required()?,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
            traceparent: parts.extensions.get::<TraceParent>().and_then(|trace| trace.0.clone()),
        })
    }
}

/// Writes one email for each client of a list. The clients are frozen now; those who are listed twice get one email, and those
/// who are not active none.
#[utoipa::path(post, path = "/email-batches", tag = "batches", request_body = NewBatchBody,
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 202, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub(super) async fn create(
    State(state): State<AppState>,
    may: May<BatchWrite>,
    _: Query<()>,
    head: Head,
    body: Body<NewBatchBody>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let key = head.key.with(caller.user(), &body.sha256);
    let mut new = body.content.into_batch(&state, &caller);
    new.request_id = head.request_id;
    new.traceparent = head.traceparent;
    let (work, org) = (state.clone(), caller.org());
    let accepted = state.detached(async move { submit(&work, org, &new, key.as_ref()).await }).await?;
    let (batch, left) = match accepted {
        Submitted::Now(batch, left) => (*batch, Some(left)),
        Submitted::Before(id) => (read(&state, &caller, id).await?, None),
    };
    let location = format!("/email-batches/{}", batch.id);
    let response = with_header(whole(StatusCode::ACCEPTED, &batch), "location", &location);
    let mut response = with_header(response, "retry-after", "1");
    let Some(left) = left else { return Ok(with_header(response, REPLAYED.0, REPLAYED.1)) };
    if let Some(left) = left {
        left.write(&mut response);
    }
    Ok(response)
}

/// What became of a submit.
enum Submitted {
    /// It was accepted; and what is left of the organisation's budget, if it has one.
    Now(Box<Batch>, Option<RateLimit>),
    /// The same request came before, and made this one.
    Before(BatchId),
}

async fn submit(
    state: &AppState,
    org: OrgId,
    new: &NewBatch,
    key: Option<&KeyedRequest>,
) -> Result<Submitted, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(state, org, new, key).await {
            Ok(submitted) => {
                if matches!(submitted, Submitted::Now(..)) {
                    state.notifier.send(Wakes { batches: true, ..Wakes::default() });
                }
                return Ok(submitted);
            }
            Err(Refusal::Database(error))
                if tries < TRIES && matches!(error.sqlstate().as_deref(), Some("55P03" | "40P01" | "40001")) => {}
            Err(Refusal::Database(error)) => return Err(error.into()),
            Err(Refusal::Problem(problem)) => return Err(problem),
        }
    }
}

async fn attempt(
    state: &AppState,
    org: OrgId,
    new: &NewBatch,
    key: Option<&KeyedRequest>,
) -> Result<Submitted, Refusal> {
    let mut tx = state.db.begin().await?;
    let mut org_tx = tx.enter(org).await?;
    if let Some(key) = key {
        match idempotency::claim(&mut org_tx, key, "email_batch", new.id.uuid()).await {
            Ok(Claimed::New) => {}
            Ok(Claimed::Replay(id)) => return Ok(Submitted::Before(id.into())),
            Ok(Claimed::Reused) => return Err(Refusal::Problem(key_reused())),
            Err(ClaimError::InFlight) => return Err(Refusal::Problem(in_flight())),
            Err(ClaimError::Database(error)) => return Err(Refusal::Database(error)),
        }
    }
    let left = admitted(&mut org_tx).await?;
    let usual = state.config.usual_email_cents.of(new.quality_mode);
    let cost = batch::cost_per_email(&mut org_tx, new.email_type, new.quality_mode, usual).await?;
    let submitted = match batch::accept(&mut org_tx, new, &cost).await {
        Ok(batch) => Submitted::Now(Box::new(batch), left),
        Err(error) => return Err(Refusal::Problem(refused(error, &new.choice)?)),
    };
    match tx.commit().await {
        Ok(()) => Ok(submitted),
        // The answer to COMMIT may have been lost: what is there now decides.
        Err(error) => match landed(state, org, new.id).await {
            Ok(true) => Ok(submitted),
            Ok(false) | Err(_) => Err(error.into()),
        },
    }
}

async fn landed(state: &AppState, org: OrgId, id: BatchId) -> Result<bool, DatabaseError> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(org).await?;
    Ok(batch::get(&mut org, id).await?.is_some())
}
