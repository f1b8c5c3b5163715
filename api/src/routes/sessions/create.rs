//! `POST /chat/sessions`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::content::session::{self, MAX_TITLE_CHARS, NewSession, SessionError};
use hellosales_core::idempotency::KeyedRequest;
use hellosales_core::{ClientId, ErrorCode, OrgId, ProductId, SessionId};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{read, whole};
use crate::auth::{ChatUse, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, IdempotencyKey, Query, ReadBody};
use crate::generation::{client_not_found, product_not_found};
use crate::object::SessionObject;
use crate::resource::claim;
use crate::routes::{REPLAYED, with_header};
use crate::state::AppState;

/// A client's own data of a session may have this many bytes.
pub(super) const MAX_METADATA_BYTES: usize = 16 * 1024;

/// A session to be.
#[derive(Debug, ToSchema)]
#[schema(as = NewChatSession)]
pub(super) struct NewSessionBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"\S")]
    title: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    product_id: Option<ProductId>,
    #[schema(value_type = Option<uuid::Uuid>)]
    client_id: Option<ClientId>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

impl ReadBody for NewSessionBody {
    const KNOWN: &'static [&'static str] = &["title", "product_id", "client_id", "metadata"];

    fn read(fields: &mut Fields) -> Self {
        Self {
            title: fields.text("title", 1..=MAX_TITLE_CHARS).value(),
            product_id: fields.id("product_id").value(),
            client_id: fields.id("client_id").value(),
            metadata: fields.object("metadata", MAX_METADATA_BYTES).value(),
        }
    }
}

/// Begins a conversation.
#[utoipa::path(post, path = "/chat/sessions", tag = "chat", request_body = NewSessionBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = r"\S", pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 201, body = SessionObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    State(state): State<AppState>,
    may: May<ChatUse>,
    _: Query<()>,
    key: IdempotencyKey,
    body: Body<NewSessionBody>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let key = key.with(caller.user(), &body.sha256);
    let new = NewSession {
        id: SessionId::new(),
        user_id: caller.user(),
        title: body.content.title,
        product_id: body.content.product_id,
        client_id: body.content.client_id,
        metadata: body.content.metadata.unwrap_or_default(),
    };
    let (work, org) = (state.clone(), caller.org());
    let made = state.detached(async move { write(&work, org, &new, key).await }).await?;
    let session = read(&state, &caller, made.id).await?;
    let response =
        with_header(whole(StatusCode::CREATED, &session), "location", &format!("/chat/sessions/{}", made.id));
    Ok(if made.replayed { with_header(response, REPLAYED.0, REPLAYED.1) } else { response })
}

struct Made {
    id: SessionId,
    replayed: bool,
}

async fn write(state: &AppState, org: OrgId, new: &NewSession, key: Option<KeyedRequest>) -> Result<Made, Problem> {
    let mut tx = state.db.begin().await?;
    let mut org_tx = tx.enter(org).await?;
    if let Some(id) = claim(&mut org_tx, key.as_ref(), "chat_session", new.id.uuid()).await? {
        return Ok(Made { id: id.into(), replayed: true });
    }
    session::create(&mut org_tx, new).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Made { id: new.id, replayed: false })
}

/// Why a session can't be written, for its client.
pub(super) fn refused(error: SessionError) -> Problem {
    let message = error.to_string();
    match error {
        SessionError::ProductNotFound => product_not_found(),
        SessionError::ClientNotFound => client_not_found(),
        SessionError::RunLive => Problem::new(ErrorCode::InvalidState, message),
        SessionError::Database(error) => error.into(),
    }
}
