//! `GET /email-batches/{id}/events`: a batch, followed.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hellosales_core::{BatchId, ErrorCode};

use super::read;
use crate::auth::{BatchRead, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Params, Query, ReadQuery};
use crate::server::HangUp;
use crate::sse::{self, BatchStream, Position};
use crate::state::AppState;

/// From where, and with what.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventsQuery {
    position: Position,
    with_items: bool,
}

impl ReadQuery for EventsQuery {
    const KNOWN: &'static [&'static str] = &["after", "items"];

    fn read(params: &mut Params) -> Self {
        Self { position: Position::read(params), with_items: params.flag("items").unwrap_or(false) }
    }
}

/// A batch as it goes on: absolute counts, at most twice a second, and the end of each round. With `items=true` also each item
/// that ends: none is missed, also across a reconnect with `Last-Event-ID` or `?after=`; one may come twice.
#[utoipa::path(get, path = "/email-batches/{id}/events", tag = "batches",
    params(("id" = uuid::Uuid, Path), ("after" = Option<i64>, Query, minimum = 0), ("items" = Option<bool>, Query),
           ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{0,18}$")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 204, description = "nothing comes after this position"),
              (status = 404, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub(super) async fn events(
    State(state): State<AppState>,
    may: May<BatchRead>,
    Id(id): Id<BatchId>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Any answer but 200 would keep a browser from coming back: it gets none, and tries another process.
    if state.draining.is_cancelled() {
        return Ok(HangUp.into_response());
    }
    let position = query.position.find(&headers)?;
    let batch = read(&state, &may.caller, id).await?;
    if position.is_some_and(|position| sse::has_heard_the_end(&batch, position)) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(counted) = state.streams.open(may.caller.user(), may.caller.org()) else {
        return Err(Problem::new(ErrorCode::RateLimited, "too many streams are followed already").retry_after(5));
    };
    let work = state.work.clone();
    let stream = BatchStream { state, caller: may.caller, id, with_items: query.with_items, _counted: counted };
    Ok(sse::open(&work, |out| stream.write(out, position)))
}
