//! `GET /email-batches/{id}/results`: what has been written so far, in the order of the list.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::BatchId;
use hellosales_core::batch::{self, Item, ItemFilter, ShownStatus};

use super::read;
use crate::auth::{BatchRead, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Params, Query, ReadQuery};
use crate::object::ItemObject;
use crate::page::{List, PageQuery, Scope};
use crate::routes::json;
use crate::state::AppState;

/// Takes `status`.
pub(super) fn status(params: &mut Params) -> Option<ShownStatus> {
    let statuses = ShownStatus::ALL.iter().map(|status| (status.as_str(), *status)).collect::<Vec<_>>();
    params.word("status", &statuses)
}

/// Which results.
#[derive(Debug)]
pub(super) struct ResultsQuery {
    page: PageQuery,
    filter: ItemFilter,
}

impl ReadQuery for ResultsQuery {
    const KNOWN: &'static [&'static str] = &["limit", "cursor", "status", "has_warnings"];

    fn read(params: &mut Params) -> Self {
        Self {
            page: PageQuery::read(params),
            filter: ItemFilter { status: status(params), has_warnings: params.flag("has_warnings") },
        }
    }
}

/// A batch's items with their emails, in the order of its list; also while it runs.
#[utoipa::path(get, path = "/email-batches/{id}/results", tag = "batches",
    params(("id" = uuid::Uuid, Path), ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
           ("cursor" = Option<String>, Query, min_length = 1),
           ("status" = Option<String>, Query, pattern = "^(queued|running|completed|failed|cancelled)$"),
           ("has_warnings" = Option<bool>, Query)),
    responses((status = 200, body = List<ItemObject>), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn results(
    State(state): State<AppState>,
    may: May<BatchRead>,
    Id(id): Id<BatchId>,
    Query(query): Query<ResultsQuery>,
) -> Result<Response, Problem> {
    let (caller, filter) = (may.caller, query.filter);
    let scope = Scope::new("batch_items", caller.org(), caller.user(), &(id, filter.status, filter.has_warnings));
    let after = scope.read(query.page.cursor.as_deref())?;
    read(&state, &caller, id).await?;
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(caller.org()).await?;
    let rows = batch::items(&mut org, id, filter, after, query.page.limit + 1).await?;
    let total = batch::count_items(&mut org, id, filter).await?;
    let page: List<ItemObject> = scope.page(rows, query.page.limit, total, |row: &Item| row.n);
    Ok(json(StatusCode::OK, &page))
}
