//! Runs: looked at, waited for, cancelled, retried.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::pulse::runs::{self, Run, RunFilter};
use hellosales_core::queue::cancel::{self, Cancelled};
use hellosales_core::queue::redrive::{self, Redrive, Redriven};
use hellosales_core::run::{RunStatus, StatusReason};
use hellosales_core::stream::MINORS;
use hellosales_core::{ErrorCode, RunId};
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{REPLAYED, json, with_header};
use crate::auth::{AnyRunUse, Caller, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, NoBody, Params, Query, ReadQuery};
use crate::follow::Subscription;
use crate::object::RunObject;
use crate::page::{List, PageQuery, Scope};
use crate::state::AppState;
use crate::submit::Submitted;

/// A wait looks at the run at least this often, whatever it hears.
const LOOK: Duration = Duration::from_secs(2);

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(cancel)).routes(routes!(retry))
}

pub(super) fn run_not_found() -> Problem {
    Problem::new(ErrorCode::RunNotFound, "there is no such run")
}

/// Reads a run that the caller may see.
pub(super) async fn read(state: &AppState, caller: &Caller, id: RunId) -> Result<Run, Problem> {
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    runs::get(&mut org, id, caller.viewer()).await?.ok_or_else(run_not_found)
}

/// Reads a run when it has ended, or the time is over, or the process stops.
pub(super) async fn wait(state: &AppState, caller: &Caller, id: RunId, seconds: u64) -> Result<Run, Problem> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut row = read(state, caller, id).await?;
    if row.has_ended() || seconds == 0 {
        return Ok(row);
    }
    // The end event has a major of its own, past the one that is being written.
    let mut events = state.follow.subscribe(id, (i64::from(row.stream_major) + 1) * MINORS - 1).await;
    while !row.has_ended() && Instant::now() < until && !state.draining.is_cancelled() {
        let look = (Instant::now() + LOOK).min(until);
        tokio::select! {
            () = ended(&mut events, look) => {}
            () = tokio::time::sleep_until(look) => {}
            () = state.draining.cancelled() => {}
        }
        row = read(state, caller, id).await?;
    }
    Ok(row)
}

/// What a submit answers: 202 with the run; 200 when it has ended within the time that the client would rather wait.
pub(super) async fn submitted(
    state: &AppState,
    caller: &Caller,
    submitted: Submitted,
    wait_seconds: Option<u64>,
) -> Result<Response, Problem> {
    let run = match wait_seconds {
        Some(seconds) => wait(state, caller, submitted.run_id, seconds).await?,
        None => read(state, caller, submitted.run_id).await?,
    };
    let done = wait_seconds.filter(|_| run.has_ended());
    let location = format!("/runs/{}", submitted.run_id);
    let status = if done.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = with_header(json(status, &RunObject::from(run)), "location", &location);
    response = match done {
        Some(seconds) => with_header(response, "preference-applied", &format!("wait={seconds}")),
        None => with_header(response, "retry-after", "1"),
    };
    if let Some(left) = submitted.left {
        left.write(&mut response);
    }
    Ok(if submitted.replayed { with_header(response, REPLAYED.0, REPLAYED.1) } else { response })
}

/// Hears an end; or nothing more before `look`. Tokens pass by: the run's row is not read for each of them.
async fn ended(events: &mut Subscription, look: Instant) {
    while let Some(event) = events.next().await {
        if event.is_end() {
            return;
        }
    }
    tokio::time::sleep_until(look).await;
}

/// How long to wait.
#[derive(Debug)]
struct WaitQuery {
    seconds: u64,
}

impl ReadQuery for WaitQuery {
    const KNOWN: &'static [&'static str] = &["wait"];

    fn read(params: &mut Params) -> Self {
        Self { seconds: params.integer("wait", 0..=60).unwrap_or(0).unsigned_abs() }
    }
}

/// One run; with `wait`, when it has ended or the time is over.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs",
    params(("id" = uuid::Uuid, Path), ("wait" = Option<i64>, Query, minimum = 0, maximum = 60)),
    responses((status = 200, body = RunObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<AnyRunUse>,
    Id(id): Id<RunId>,
    Query(query): Query<WaitQuery>,
) -> Result<Response, Problem> {
    let row = wait(&state, &may.caller, id, query.seconds).await?;
    Ok(json(StatusCode::OK, &RunObject::from(row)))
}

/// Which runs.
#[derive(Debug)]
struct ListQuery {
    page: PageQuery,
    filter: RunFilter,
}

impl ReadQuery for ListQuery {
    const KNOWN: &'static [&'static str] = &["limit", "cursor", "sort", "status", "pipeline", "batch_id", "session_id"];

    fn read(params: &mut Params) -> Self {
        params.word("sort", &[("-created_at", ())]);
        let statuses = RunStatus::ALL.iter().map(|status| (status.as_str(), status.as_str())).collect::<Vec<_>>();
        let pipelines = hellosales_core::pipeline::ALL.iter().map(|one| (one.name, one.name)).collect::<Vec<_>>();
        Self {
            page: PageQuery::read(params),
            filter: RunFilter {
                status: params.word("status", &statuses),
                pipeline: params.word("pipeline", &pipelines).map(str::to_owned),
                batch_id: params.id("batch_id"),
                session_id: params.id("session_id"),
            },
        }
    }
}

/// The runs that the caller may see, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("sort" = Option<String>, Query, pattern = "^-created_at$"),
           ("status" = Option<String>, Query, pattern = "^(queued|running|completed|failed|cancelled)$"), ("pipeline" = Option<String>, Query),
           ("batch_id" = Option<uuid::Uuid>, Query), ("session_id" = Option<uuid::Uuid>, Query)),
    responses((status = 200, body = List<RunObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<AnyRunUse>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let (caller, filter) = (may.caller, query.filter);
    let filters = (filter.status, &filter.pipeline, filter.batch_id, filter.session_id);
    let scope = Scope::new("runs", caller.org(), caller.user(), &filters);
    let before: Option<RunId> = scope.read(query.page.cursor.as_deref())?;
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    let rows = runs::list(&mut org, caller.viewer(), &filter, before, query.page.limit + 1).await?;
    let total = runs::count(&mut org, caller.viewer(), &filter).await?;
    let page: List<RunObject> = scope.page(rows, query.page.limit, total, |run: &Run| run.id);
    Ok(json(StatusCode::OK, &page))
}

/// Stops a run. What a chat turn has said so far is kept.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = RunObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn cancel(
    State(state): State<AppState>,
    may: May<AnyRunUse>,
    (Id(id), _): (Id<RunId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    let caller = may.caller;
    read(&state, &caller, id).await?;
    let (work, org) = (state.clone(), caller.org());
    let cancelled = async move {
        let (cancelled, wakes) = cancel::cancel(&work.db, org, id, StatusReason::User).await?;
        work.notifier.send(wakes);
        Ok(cancelled)
    };
    match state.detached(cancelled).await? {
        Cancelled::Now | Cancelled::Before => {
            Ok(json(StatusCode::OK, &RunObject::from(read(&state, &caller, id).await?)))
        }
        Cancelled::Ended(status) => Err(Problem::new(ErrorCode::InvalidState, format!("the run is {status}"))),
        Cancelled::NotFound => Err(run_not_found()),
    }
}

/// Puts a failed run back: what is finished stands.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "runs", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = RunObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn retry(
    State(state): State<AppState>,
    may: May<AnyRunUse>,
    (Id(id), _): (Id<RunId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    let caller = may.caller;
    read(&state, &caller, id).await?;
    let (work, org, user) = (state.clone(), caller.org(), caller.user());
    let redriven = async move {
        let actor = format!("user:{user}");
        let how = Redrive { user: Some(user), ..Redrive::new(&actor) };
        let (redriven, wakes) = redrive::redrive(&work.db, org, id, &how).await?;
        work.notifier.send(wakes);
        Ok(redriven)
    };
    match state.detached(redriven).await? {
        Redriven::Resumed { .. } | Redriven::Restarted { .. } => {
            let row = read(&state, &caller, id).await?;
            let response = json(StatusCode::ACCEPTED, &RunObject::from(row));
            Ok(with_header(with_header(response, "location", &format!("/runs/{id}")), "retry-after", "1"))
        }
        Redriven::InvalidState(status) => Err(Problem::new(ErrorCode::InvalidState, format!("the run is {status}"))),
        Redriven::Refused(refusal) => Err(Problem::new(ErrorCode::InvalidState, refusal.to_string())),
        Redriven::NotFound => Err(run_not_found()),
    }
}
