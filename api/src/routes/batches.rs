//! Batches: one email for each client of a list, submitted and followed as one.

mod change;
mod create;
mod csv;
mod estimate;
mod events;
mod new;
mod results;
mod steer;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::batch::{self, Batch, BatchStatus};
use hellosales_core::{BatchId, ErrorCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json;
use crate::auth::{BatchRead, Caller, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Params, Query, ReadQuery};
use crate::object::BatchObject;
use crate::page::{List, PageQuery, Scope};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create::create))
        .routes(routes!(estimate::estimate))
        .routes(routes!(get, change::patch))
        .routes(routes!(steer::sample))
        .routes(routes!(steer::approve))
        .routes(routes!(steer::pause))
        .routes(routes!(steer::resume))
        .routes(routes!(steer::cancel))
        .routes(routes!(steer::retry_failed))
        .routes(routes!(results::results))
        .routes(routes!(csv::csv))
        .routes(routes!(events::events))
}

/// For a batch of others as for one that isn't there.
fn batch_not_found() -> Problem {
    Problem::new(ErrorCode::BatchNotFound, "there is no such batch")
}

/// Reads a batch of the caller's organisation.
async fn read(state: &AppState, caller: &Caller, id: BatchId) -> Result<Batch, Problem> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(caller.org()).await?;
    batch::get(&mut org, id).await?.ok_or_else(batch_not_found)
}

/// A batch with its tag.
fn whole(status: StatusCode, batch: &Batch) -> Response {
    let object = BatchObject::from(batch);
    object.etag().on(json(status, &object))
}

/// Which batches.
#[derive(Debug)]
struct ListQuery {
    page: PageQuery,
    status: Option<BatchStatus>,
}

impl ReadQuery for ListQuery {
    const KNOWN: &'static [&'static str] = &["limit", "cursor", "sort", "status"];

    fn read(params: &mut Params) -> Self {
        params.word("sort", &[("-created_at", ())]);
        let statuses = BatchStatus::ALL.iter().map(|status| (status.as_str(), *status)).collect::<Vec<_>>();
        Self { page: PageQuery::read(params), status: params.word("status", &statuses) }
    }
}

/// The organisation's batches, newest first.
#[utoipa::path(get, path = "/email-batches", tag = "batches",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("sort" = Option<String>, Query, pattern = "^-created_at$"),
           ("status" = Option<String>, Query, pattern = "^(running|paused|awaiting_approval|cancelling|completed|cancelled)$")),
    responses((status = 200, body = List<BatchObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<BatchRead>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let scope = Scope::new("email_batches", caller.org(), caller.user(), &query.status);
    let after = scope.read(query.page.cursor.as_deref())?;
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(caller.org()).await?;
    let rows = batch::list(&mut org, query.status, after, query.page.limit + 1).await?;
    let total = batch::count(&mut org, query.status).await?;
    let page: List<BatchObject> = scope.page(rows, query.page.limit, total, |row: &Batch| (row.created_at, row.id));
    Ok(json(StatusCode::OK, &page))
}

/// One batch.
#[utoipa::path(get, path = "/email-batches/{id}", tag = "batches", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<BatchRead>,
    (Id(id), _): (Id<BatchId>, Query<()>),
) -> Result<Response, Problem> {
    Ok(whole(StatusCode::OK, &read(&state, &may.caller, id).await?))
}
