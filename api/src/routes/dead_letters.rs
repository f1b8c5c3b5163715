//! `/pulse/dead-letter-queue`: the plan's route. A list is a plain list there; the next page is in the header Link.

mod bulk;
mod change;
mod filter;
mod redrive;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::audit::{self, Entry};
use hellosales_core::dead_letter::read;
use hellosales_core::pulse::window::Window;
use hellosales_core::{DeadLetterId, ErrorCode, OrgId};
use serde_json::json as object;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::filter::{ListQuery, OrgQuery, organisation};
use super::{json, with_header};
use crate::auth::{Caller, DlqManage, DlqRead, May, Permission};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Query};
use crate::object::DeadLetterObject;
use crate::page::{List, Scope};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, change::change))
        .routes(routes!(redrive::retry))
        .routes(routes!(redrive::redrive))
        .routes(routes!(bulk::bulk))
}

fn letter_not_found() -> Problem {
    Problem::new(ErrorCode::DeadLetterNotFound, "there is no such dead letter")
}

/// Dead letters of the organisation, newest first. An operator may name another one.
#[utoipa::path(get, path = "/pulse/dead-letter-queue", tag = "pulse",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("status" = Option<String>, Query, pattern = "^(pending|investigating|resolved|abandoned)$"), ("pipeline" = Option<String>, Query),
           ("error_code" = Option<String>, Query), ("stage" = Option<String>, Query), ("provider" = Option<String>, Query),
           ("batch_id" = Option<uuid::Uuid>, Query), ("fingerprint" = Option<String>, Query),
           ("since" = Option<String>, Query, format = "date-time"), ("until" = Option<String>, Query, format = "date-time"),
           ("org_id" = Option<uuid::Uuid>, Query)),
    responses((status = 200, body = Vec<DeadLetterObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<DlqRead>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let org = organisation(&caller, query.org_id)?;
    let filter = hellosales_core::pulse::filter::Filter { org_id: Some(org), ..query.filter.clone() };
    let scope = Scope::new("dead letters", org, caller.user(), &filter);
    let after = scope.read::<DeadLetterId>(query.page.cursor.as_deref())?.map(DeadLetterId::uuid);
    let mut tx = state.db.begin().await?;
    tx.enter(org).await?;
    let window = Window { ascending: false, after, limit: query.page.limit + 1 };
    let letters = read::list(&mut tx, &filter, window).await?;
    let total = hellosales_core::content::Total::from(0);
    let page: List<DeadLetterObject> = scope.page(letters, query.page.limit, total, |letter| letter.id);
    let next = page.next_cursor().map(|cursor| query.link(query.page.limit, cursor));
    let response = json(StatusCode::OK, &page.data());
    Ok(match next {
        Some(link) => with_header(response, "link", &link),
        None => response,
    })
}

/// One dead letter, with every attempt. With `pulse:payloads` also what people wrote, and that is written down.
#[utoipa::path(get, path = "/pulse/dead-letter-queue/{id}", tag = "pulse",
    params(("id" = uuid::Uuid, Path), ("org_id" = Option<uuid::Uuid>, Query)),
    responses((status = 200, body = DeadLetterObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<DlqRead>,
    Id(id): Id<DeadLetterId>,
    Query(query): Query<OrgQuery>,
) -> Result<Response, Problem> {
    let org = organisation(&may.caller, query.org_id)?;
    let (work, caller) = (state.clone(), may.caller);
    let read = async move { whole(&work, &caller, org, id).await };
    Ok(json(StatusCode::OK, &state.detached(read).await?))
}

/// A letter with its payload, for a caller who may see that, and is written down.
async fn whole(state: &AppState, caller: &Caller, org: OrgId, id: DeadLetterId) -> Result<DeadLetterObject, Problem> {
    let mut tx = state.db.begin().await?;
    tx.enter(org).await?;
    let letter = read::get(&mut tx, Some(org), id).await?.ok_or_else(letter_not_found)?;
    let shown = DeadLetterObject::from(letter);
    if !caller.permissions.contains(&Permission::PulsePayloads) {
        return Ok(shown);
    }
    let Some(payload) = read::payload(&mut tx, org, id).await? else { return Ok(shown) };
    let entry = Entry {
        org_id: Some(org),
        actor: &format!("user:{}", caller.user()),
        action: "dead_letter.read_payload",
        target_type: "dead_letter",
        target_id: &id.to_string(),
        reason: None,
        details: object!({}),
    };
    audit::record(tx.connection(), &entry).await?;
    tx.commit().await?;
    Ok(shown.with_payload(payload))
}

/// A letter without its payload, after it was changed.
async fn bare(state: &AppState, org: OrgId, id: DeadLetterId) -> Result<DeadLetterObject, Problem> {
    let mut tx = state.db.begin().await?;
    tx.enter(org).await?;
    Ok(read::get(&mut tx, Some(org), id).await?.ok_or_else(letter_not_found)?.into())
}

/// Whose letters are changed, and by whom.
struct Desk {
    org: OrgId,
    user: hellosales_core::UserId,
    actor: String,
}

impl Desk {
    fn new(may: &May<DlqManage>, query: &OrgQuery) -> Result<Self, Problem> {
        let user = may.caller.user();
        Ok(Self { org: organisation(&may.caller, query.org_id)?, user, actor: format!("user:{user}") })
    }
}
