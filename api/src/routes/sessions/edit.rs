//! What is done to a session that is there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hellosales_core::SessionId;
use hellosales_core::content::session::{self, MAX_TITLE_CHARS, SessionChange};
use hellosales_core::database::OrgTx;
use hellosales_core::queue::cancel;
use hellosales_core::run::StatusReason;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::create::{MAX_METADATA_BYTES, refused};
use super::{read, whole};
use crate::auth::{Caller, ChatUse, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Given, Id, IfMatch, NoBody, Query, ReadBody};
use crate::object::SessionObject;
use crate::state::AppState;
use crate::turn::session_not_found;

/// What is to change; what is left out stays, and null clears.
#[derive(Debug, ToSchema)]
#[schema(as = ChatSessionChange)]
pub(super) struct ChangeBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"\S")]
    title: Given<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    product_id: Given<hellosales_core::ProductId>,
    #[schema(value_type = Option<uuid::Uuid>)]
    client_id: Given<hellosales_core::ClientId>,
    #[schema(value_type = Object, required = false)]
    metadata: Given<Map<String, Value>>,
}

impl ReadBody for ChangeBody {
    const KNOWN: &'static [&'static str] = &["title", "product_id", "client_id", "metadata"];

    fn read(fields: &mut Fields) -> Self {
        let metadata = fields.object("metadata", MAX_METADATA_BYTES);
        Self {
            title: fields.text("title", 1..=MAX_TITLE_CHARS),
            product_id: fields.id("product_id"),
            client_id: fields.id("client_id"),
            metadata: fields.not_null("metadata", metadata),
        }
    }
}

/// Changes a session.
#[utoipa::path(patch, path = "/chat/sessions/{id}", tag = "chat", request_body = ChangeBody,
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = SessionObject), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
pub(super) async fn patch(
    State(state): State<AppState>,
    may: May<ChatUse>,
    (Id(id), _, expected): (Id<SessionId>, Query<()>, IfMatch),
    body: Body<ChangeBody>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let change = SessionChange {
        title: body.content.title.change(),
        product_id: body.content.product_id.change(),
        client_id: body.content.client_id.change(),
        metadata: body.content.metadata.value(),
    };
    let (work, who) = (state.clone(), caller.clone());
    let written = async move {
        let mut tx = work.db.begin().await?;
        let mut org = tx.enter(who.org()).await?;
        lock(&mut org, &who, id, &expected).await?;
        session::change(&mut org, id, &change).await.map_err(refused)?;
        tx.commit().await.map_err(Problem::from)
    };
    state.detached(written).await?;
    Ok(whole(StatusCode::OK, &read(&state, &caller, id).await?))
}

/// Deletes a session and what was said in it; not while one of its turns is at work.
#[utoipa::path(delete, path = "/chat/sessions/{id}", tag = "chat",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 412, body = ProblemBody)))]
pub(super) async fn delete(
    State(state): State<AppState>,
    may: May<ChatUse>,
    (Id(id), _, expected): (Id<SessionId>, Query<()>, IfMatch),
    _: NoBody,
) -> Result<Response, Problem> {
    let (work, who) = (state.clone(), may.caller);
    let deleted = async move {
        stop_summary(&work, &who, id, &expected).await?;
        let mut tx = work.db.begin().await?;
        let mut org = tx.enter(who.org()).await?;
        lock(&mut org, &who, id, &expected).await?;
        session::delete(&mut org, id).await.map_err(refused)?;
        tx.commit().await.map_err(Problem::from)
    };
    state.detached(deleted).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A summary that is on its way would write into a session that isn't there: it goes first. Only if no turn is
/// active: the session is not going to be deleted then.
async fn stop_summary(state: &AppState, caller: &Caller, id: SessionId, expected: &IfMatch) -> Result<(), Problem> {
    let run = {
        let mut tx = state.db.begin_fast().await?;
        let mut org = tx.enter(caller.org()).await?;
        let found = lock(&mut org, caller, id, expected).await?;
        if found.active_run.is_some() { None } else { session::pending_summary(&mut org, id).await? }
    };
    if let Some(run) = run {
        let (_, wakes) = cancel::cancel(&state.db, caller.org(), run, StatusReason::User).await?;
        state.notifier.send(wakes);
    }
    Ok(())
}

/// Ends a session: it takes no more turns; those that it has taken finish.
#[utoipa::path(post, path = "/chat/sessions/{id}/end", tag = "chat", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = SessionObject), (status = 404, body = ProblemBody)))]
pub(super) async fn end(
    State(state): State<AppState>,
    may: May<ChatUse>,
    (Id(id), _): (Id<SessionId>, Query<()>),
    _: NoBody,
) -> Result<Response, Problem> {
    let (work, who) = (state.clone(), may.caller.clone());
    let ended = async move {
        let mut tx = work.db.begin().await?;
        let mut org = tx.enter(who.org()).await?;
        lock(&mut org, &who, id, &IfMatch::Absent).await?;
        session::end(&mut org, id).await?;
        tx.commit().await.map_err(Problem::from)
    };
    state.detached(ended).await?;
    Ok(whole(StatusCode::OK, &read(&state, &may.caller, id).await?))
}

/// Takes the lock, and holds the session against what its editor had seen.
async fn lock(
    org: &mut OrgTx<'_>,
    caller: &Caller,
    id: SessionId,
    expected: &IfMatch,
) -> Result<SessionObject, Problem> {
    if !session::lock(org, id, caller.viewer()).await? {
        return Err(session_not_found());
    }
    let found = session::get(org, id, caller.viewer()).await?.map(SessionObject::from).ok_or_else(session_not_found)?;
    expected.check(&found.etag())?;
    Ok(found)
}
