//! Sales scripts.

mod edit;
mod generate;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::content::script::{self, Script, ScriptType};
use hellosales_core::{ErrorCode, ScriptId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json;
use super::written::{self, SinceQuery, VersionChanges, VersionsQuery, WrittenQuery};
use crate::auth::{Caller, ContentRead, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Params, Query, ReadQuery, Version};
use crate::object::ScriptObject;
use crate::page::{List, Scope};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, edit::create))
        .routes(routes!(get, edit::patch, edit::delete))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(changes))
        .routes(routes!(generate::generate))
        .routes(routes!(generate::regenerate))
}

/// The fields that make a version.
const WORDS: &[&str] =
    &["content", "key_talking_points", "objection_handlers", "discovery_questions", "closing_techniques"];

/// Of others as of one that isn't there.
fn script_not_found() -> Problem {
    Problem::new(ErrorCode::ScriptNotFound, "there is no such script")
}

fn version_not_found() -> Problem {
    Problem::new(ErrorCode::ScriptNotFound, "there is no such version of a script")
}

/// The types by their words.
fn types() -> Vec<(&'static str, ScriptType)> {
    ScriptType::ALL.iter().map(|one| (one.as_str(), *one)).collect()
}

/// Which scripts.
#[derive(Debug)]
struct ListQuery(WrittenQuery);

impl ReadQuery for ListQuery {
    const KNOWN: &'static [&'static str] = &[
        "limit",
        "cursor",
        "sort",
        "q",
        "type",
        "product_id",
        "client_id",
        "batch_id",
        "origin",
        "stale",
        "has_warnings",
        "warning",
        "created_after",
        "is_active",
    ];

    fn read(params: &mut Params) -> Self {
        let kinds: Vec<_> = ScriptType::ALL.iter().map(|one| (one.as_str(), one.as_str())).collect();
        Self(WrittenQuery::read(params, &kinds))
    }
}

/// The organisation's scripts, as they are now.
#[utoipa::path(get, path = "/scripts", tag = "content",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("sort" = Option<String>, Query, pattern = "^-?(created_at|name)$"), ("q" = Option<String>, Query, max_length = 500),
           ("type" = Option<String>, Query, pattern = "^(cold_call|follow_up|demo|closing|general)$"),
           ("product_id" = Option<uuid::Uuid>, Query), ("client_id" = Option<uuid::Uuid>, Query),
           ("batch_id" = Option<uuid::Uuid>, Query), ("origin" = Option<String>, Query, pattern = "^(generated|edited|manual)$"),
           ("stale" = Option<bool>, Query), ("has_warnings" = Option<bool>, Query),
           ("warning" = Option<String>, Query, min_length = 1, max_length = 50, pattern = r"\S"),
           ("created_after" = Option<chrono::DateTime<chrono::Utc>>, Query),
           ("is_active" = Option<String>, Query, pattern = "^(true|false|all)$")),
    responses((status = 200, body = List<ScriptObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Query(ListQuery(query)): Query<ListQuery>,
) -> Result<Response, Problem> {
    let mut scope = query.scope("scripts", &may.caller);
    let slice = scope.slice(&query.page, query.sort)?;
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(may.caller.org()).await?;
    let rows = script::list(&mut org, &query.filter, &slice).await?;
    let total = script::count(&mut org, &query.filter).await?;
    let place = |row: &Script| query.sort.place(row.created_at, &row.name, row.id.uuid());
    let page: List<ScriptObject> = scope.page(rows, query.page.limit, total, place);
    Ok(json(StatusCode::OK, &page))
}

/// One script, as it is now.
#[utoipa::path(get, path = "/scripts/{id}", tag = "content", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ScriptObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Id(id): Id<ScriptId>,
    _: Query<()>,
) -> Result<Response, Problem> {
    Ok(whole(StatusCode::OK, &read(&state, &may.caller, id).await?))
}

/// Reads a script of the caller's organisation.
async fn read(state: &AppState, caller: &Caller, id: ScriptId) -> Result<ScriptObject, Problem> {
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    script::get(&mut org, id).await?.map(ScriptObject::from).ok_or_else(script_not_found)
}

/// A script with its tag.
fn whole(status: StatusCode, script: &ScriptObject) -> Response {
    script.etag().on(json(status, script))
}

/// The versions of a script, the newest first.
#[utoipa::path(get, path = "/scripts/{id}/versions", tag = "content",
    params(("id" = uuid::Uuid, Path), ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
           ("cursor" = Option<String>, Query, min_length = 1)),
    responses((status = 200, body = List<ScriptObject>), (status = 404, body = ProblemBody)))]
async fn versions(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Id(id): Id<ScriptId>,
    Query(query): Query<VersionsQuery>,
) -> Result<Response, Problem> {
    let scope = Scope::new("script_versions", may.caller.org(), may.caller.user(), &id);
    let below: Option<i32> = scope.read(query.page.cursor.as_deref())?;
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(may.caller.org()).await?;
    script::get(&mut org, id).await?.ok_or_else(script_not_found)?;
    let rows = script::versions(&mut org, id, below, query.page.limit + 1).await?;
    let total = script::count_versions(&mut org, id).await?;
    let page: List<ScriptObject> = scope.page(rows, query.page.limit, total, |row: &Script| row.version);
    Ok(json(StatusCode::OK, &page))
}

/// One version of a script, with the labels that the script has now.
#[utoipa::path(get, path = "/scripts/{id}/versions/{n}", tag = "content",
    params(("id" = uuid::Uuid, Path), ("n" = i32, Path, minimum = 1)),
    responses((status = 200, body = ScriptObject), (status = 404, body = ProblemBody)))]
async fn version(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Version(id, n): Version<ScriptId>,
    _: Query<()>,
) -> Result<Response, Problem> {
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(may.caller.org()).await?;
    let found = script::version(&mut org, id, n).await?.ok_or_else(version_not_found)?;
    Ok(json(StatusCode::OK, &ScriptObject::from(found)))
}

/// What a version says otherwise than another, field by field: than the one before it, if none is named.
#[utoipa::path(get, path = "/scripts/{id}/versions/{n}/changes", tag = "content",
    params(("id" = uuid::Uuid, Path), ("n" = i32, Path, minimum = 1), ("since" = Option<i32>, Query, minimum = 1)),
    responses((status = 200, body = VersionChanges), (status = 404, body = ProblemBody)))]
async fn changes(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Version(id, n): Version<ScriptId>,
    Query(query): Query<SinceQuery>,
) -> Result<Response, Problem> {
    let since = query.since.unwrap_or((n - 1).max(1));
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(may.caller.org()).await?;
    let after = script::version(&mut org, id, n).await?.ok_or_else(version_not_found)?;
    let before = script::version(&mut org, id, since).await?.ok_or_else(version_not_found)?;
    let changes = written::changes(&ScriptObject::from(before), &ScriptObject::from(after), WORDS);
    let object =
        VersionChanges { object: "version_changes", id: id.uuid(), from_version: since, to_version: n, changes };
    Ok(json(StatusCode::OK, &object))
}
