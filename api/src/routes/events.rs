//! `GET /runs/{id}/events`: a run, followed. `GET /events`: one feed for a page.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hellosales_core::stream::seq;
use hellosales_core::{ErrorCode, RunId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs;
use crate::auth::{AnyRunUse, BatchRead, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Query};
use crate::server::HangUp;
use crate::sse::{self, FeedStream, Position};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events)).routes(routes!(feed))
}

/// The events of a run, as they come. Resumed by `Last-Event-ID` or `?after=`.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs",
    params(("id" = uuid::Uuid, Path), ("after" = Option<i64>, Query, minimum = 0), ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{0,18}$")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 204, description = "nothing comes after this position"),
              (status = 404, body = ProblemBody), (status = 429, body = ProblemBody)))]
async fn events(
    State(state): State<AppState>,
    may: May<AnyRunUse>,
    Id(run): Id<RunId>,
    Query(query): Query<Position>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Any answer but 200 would keep a browser from coming back: it gets none, and tries another process.
    if state.draining.is_cancelled() {
        return Ok(HangUp.into_response());
    }
    let position = query.find(&headers)?;
    let row = runs::read(&state, &may.caller, run).await?;
    if row.has_ended() && position.is_some_and(|position| position >= seq(row.stream_major, 0)) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(counted) = state.streams.open(may.caller.user(), may.caller.org()) else {
        return Err(Problem::new(ErrorCode::RateLimited, "too many streams are followed already").retry_after(5));
    };
    let stream = sse::Stream { state, caller: may.caller, run, _counted: counted };
    Ok(sse::response(stream, row, position))
}

/// One feed for a page: how the caller's runs and batches stand, each time that one stands elsewhere; no text. `run.updated
/// {run}` has the whole Run but for its `result`; runs of a batch are not told, their batch is, by `batch.updated {batch}`, at
/// most twice a second. On a connection, how all stand that are under way, and those that ended within the last minute; with a
/// position (`Last-Event-ID`, `?after=`) those, too, that ended since. A state may come twice, none is missed.
#[utoipa::path(get, path = "/events", tag = "runs",
    params(("after" = Option<i64>, Query, minimum = 0), ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{0,18}$")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 403, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
async fn feed(
    State(state): State<AppState>,
    may: May<AnyRunUse>,
    Query(query): Query<Position>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Any answer but 200 would keep a browser from coming back: it gets none, and tries another process.
    if state.draining.is_cancelled() {
        return Ok(HangUp.into_response());
    }
    let position = query.find(&headers)?;
    let caller = may.caller;
    let Some(counted) = state.streams.open(caller.user(), caller.org()) else {
        return Err(Problem::new(ErrorCode::RateLimited, "too many streams are followed already").retry_after(5));
    };
    let (with_batches, work) = (caller.has_any::<BatchRead>(), state.work.clone());
    let stream = FeedStream { state, caller, with_batches, _counted: counted };
    Ok(sse::open(&work, |out| stream.write(out, position)))
}
