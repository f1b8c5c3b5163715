//! Chat sessions.

mod create;
mod edit;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::SessionId;
use hellosales_core::content::interaction::{self, Interaction};
use hellosales_core::content::listing::Sort;
use hellosales_core::content::session::{self, Filter, Session};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json;
use crate::auth::{Caller, ChatUse, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Params, Query, ReadQuery};
use crate::object::{InteractionObject, SessionObject};
use crate::page::{self, List, PageQuery, Scope};
use crate::resource::ListQuery;
use crate::state::AppState;
use crate::turn::session_not_found;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create::create))
        .routes(routes!(get, edit::patch, edit::delete))
        .routes(routes!(edit::end))
        .routes(routes!(history))
}

impl ReadQuery for ListQuery<Filter> {
    const KNOWN: &'static [&'static str] = &["limit", "cursor", "sort", "q", "state"];

    fn read(params: &mut Params) -> Self {
        let sort = params.word("sort", &[("-created_at", Sort::Newest), ("created_at", Sort::Oldest)]);
        let state = params.word("state", &[("active", "active"), ("ended", "ended")]);
        let filter = Filter { state, search: page::search(params) };
        Self { page: PageQuery::read(params), sort: sort.unwrap_or_default(), filter }
    }
}

/// The caller's sessions; `q` looks at their titles and at what was said in them.
#[utoipa::path(get, path = "/chat/sessions", tag = "chat",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("sort" = Option<String>, Query, pattern = "^-?created_at$"), ("q" = Option<String>, Query, max_length = 500),
           ("state" = Option<String>, Query, pattern = "^(active|ended)$")),
    responses((status = 200, body = List<SessionObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<ChatUse>,
    Query(query): Query<ListQuery<Filter>>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let mut scope = Scope::new("sessions", caller.org(), caller.user(), &query.filter);
    let slice = scope.slice(&query.page, query.sort)?;
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    let rows = session::list(&mut org, caller.user(), &query.filter, &slice).await?;
    let total = session::count(&mut org, caller.user(), &query.filter).await?;
    let place = |row: &Session| query.sort.place(row.created_at, "", row.id.uuid());
    let page: List<SessionObject> = scope.page(rows, query.page.limit, total, place);
    Ok(json(StatusCode::OK, &page))
}

/// One session.
#[utoipa::path(get, path = "/chat/sessions/{id}", tag = "chat", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = SessionObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<ChatUse>,
    Id(id): Id<SessionId>,
    _: Query<()>,
) -> Result<Response, Problem> {
    let session = read(&state, &may.caller, id).await?;
    Ok(whole(StatusCode::OK, &session))
}

/// Reads a session that the caller may see.
async fn read(state: &AppState, caller: &Caller, id: SessionId) -> Result<SessionObject, Problem> {
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    let found = session::get(&mut org, id, caller.viewer()).await?;
    found.map(SessionObject::from).ok_or_else(session_not_found)
}

/// A session with its tag.
fn whole(status: StatusCode, session: &SessionObject) -> Response {
    session.etag().on(json(status, session))
}

/// Which part of a history.
#[derive(Debug)]
struct HistoryQuery {
    page: PageQuery,
    all: bool,
}

impl ReadQuery for HistoryQuery {
    const KNOWN: &'static [&'static str] = &["limit", "cursor", "all"];

    fn read(params: &mut Params) -> Self {
        Self { page: PageQuery::read(params), all: params.flag("all").unwrap_or(false) }
    }
}

/// What was said, oldest first; with the answer that is still to come.
#[utoipa::path(get, path = "/chat/sessions/{id}/history", tag = "chat",
    params(("id" = uuid::Uuid, Path), ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
           ("cursor" = Option<String>, Query, min_length = 1), ("all" = Option<bool>, Query)),
    responses((status = 200, body = List<InteractionObject>), (status = 404, body = ProblemBody)))]
async fn history(
    State(state): State<AppState>,
    may: May<ChatUse>,
    Id(id): Id<SessionId>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let scope = Scope::new("history", caller.org(), caller.user(), &(id, query.all));
    let after = scope.read(query.page.cursor.as_deref())?.unwrap_or(0);
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    session::get(&mut org, id, caller.viewer()).await?.ok_or_else(session_not_found)?;
    let rows = interaction::history(&mut org, id, query.all, after, query.page.limit + 1).await?;
    let total = interaction::count(&mut org, id, query.all).await?;
    let position = |row: &Interaction| row.sequence_number;
    let page: List<InteractionObject> = scope.page(rows, query.page.limit, total, position);
    Ok(json(StatusCode::OK, &page))
}
