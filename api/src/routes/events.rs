//! `GET /runs/{id}/events`: a run, followed.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hellosales_core::stream::seq;
use hellosales_core::{ErrorCode, RunId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs;
use crate::auth::{AnyRunUse, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Query};
use crate::server::HangUp;
use crate::sse::{self, Position};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events))
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
