//! `/pulse/operations`: what is done to many at once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::operation::{self, Aborted, OperationStatus, read};
use hellosales_core::pulse::window::Window;
use hellosales_core::{ErrorCode, OperationId, OrgId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json;
use crate::auth::{DlqManage, DlqRead, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, NoBody, Params, Query, ReadQuery};
use crate::object::OperationObject;
use crate::page::{List, PageQuery, Scope};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(abort))
}

fn operation_not_found() -> Problem {
    Problem::new(ErrorCode::OperationNotFound, "there is no such operation")
}

/// An operation of an organisation, and how its runs have ended.
pub(super) async fn read(state: &AppState, org: OrgId, id: OperationId) -> Result<OperationObject, Problem> {
    let mut tx = state.db.begin().await?;
    tx.enter(org).await?;
    let op = read::get(&mut tx, Some(org), id).await?.ok_or_else(operation_not_found)?;
    let ends = read::ends(&mut tx, &op).await?;
    Ok((op, ends).into())
}

struct ListQuery {
    page: PageQuery,
}

impl ReadQuery for ListQuery {
    const KNOWN: &'static [&'static str] = &["limit", "cursor"];

    fn read(params: &mut Params) -> Self {
        Self { page: PageQuery::read(params) }
    }
}

/// The operations of the organisation, newest first.
#[utoipa::path(get, path = "/pulse/operations", tag = "pulse",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1)),
    responses((status = 200, body = List<OperationObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<DlqRead>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let org = may.caller.org();
    let scope = Scope::new("operations", org, may.caller.user(), &());
    let after = scope.read::<OperationId>(query.page.cursor.as_deref())?.map(OperationId::uuid);
    let mut tx = state.db.begin().await?;
    tx.enter(org).await?;
    let window = Window { ascending: false, after, limit: query.page.limit + 1 };
    let mut rows = Vec::new();
    for op in read::list(&mut tx, Some(org), window).await? {
        let ends = read::ends(&mut tx, &op).await?;
        rows.push((op, ends));
    }
    let total = read::count(&mut tx, Some(org)).await?;
    let page: List<OperationObject> = scope.page(rows, query.page.limit, total, |(op, _)| op.id);
    Ok(json(StatusCode::OK, &page))
}

/// One operation.
#[utoipa::path(get, path = "/pulse/operations/{id}", tag = "pulse", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = OperationObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<DlqRead>,
    (Id(id), _): (Id<OperationId>, Query<()>),
) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &read(&state, may.caller.org(), id).await?))
}

/// Stops an operation: what is done stands.
#[utoipa::path(post, path = "/pulse/operations/{id}/abort", tag = "pulse", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = OperationObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn abort(
    State(state): State<AppState>,
    may: May<DlqManage>,
    (Id(id), _): (Id<OperationId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    let (work, org, actor) = (state.clone(), may.caller.org(), format!("user:{}", may.caller.user()));
    let aborted = async move { Ok(operation::abort(&work.db, Some(org), id, &actor, None).await?) };
    match state.detached(aborted).await? {
        Aborted::Now | Aborted::Ended(OperationStatus::Aborted) => {
            Ok(json(StatusCode::OK, &read(&state, org, id).await?))
        }
        Aborted::Ended(status) => Err(Problem::new(ErrorCode::InvalidState, format!("the operation is {status}"))),
        Aborted::NotFound => Err(operation_not_found()),
    }
}
