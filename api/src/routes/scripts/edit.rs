//! Scripts that people write and change.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hellosales_core::content::script::{self, NewScript, ScriptChange, ScriptText, ScriptType};
use hellosales_core::content::written::{LabelChange, Labels};
use hellosales_core::idempotency::KeyedRequest;
use hellosales_core::{OrgId, ScriptId};
use utoipa::ToSchema;

use super::{read, script_not_found, types, whole};
use crate::auth::{ContentWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Given, Id, IdempotencyKey, IfMatch, NoBody, Query, ReadBody, RequiredIfMatch};
use crate::object::ScriptObject;
use crate::routes::written::{claim, kind, label_change, new_labels, refused};
use crate::routes::{REPLAYED, with_header};
use crate::state::AppState;

const MAX_CONTENT_CHARS: usize = 100_000;
const MAX_ITEMS: usize = 100;
const MAX_ITEM_CHARS: usize = 5_000;

/// A script to be, written by a person.
#[derive(Debug, ToSchema)]
#[schema(as = NewScript)]
#[expect(dead_code, reason = "the document shows the members; they are read into the types of core")]
pub(super) struct NewScriptBody {
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    name: String,
    #[schema(min_length = 1, max_length = 5_000, pattern = r"\S")]
    description: Option<String>,
    /// `cold_call`, `follow_up`, `demo`, `closing` or `general`.
    #[schema(value_type = String, required = false, pattern = "^(cold_call|follow_up|demo|closing|general)$")]
    script_type: String,
    #[schema(min_length = 1, max_length = 100_000, pattern = r"\S")]
    content: String,
    #[schema(max_items = 100)]
    key_talking_points: Option<Vec<String>>,
    /// What to answer, by objection; at most 100.
    objection_handlers: Option<BTreeMap<String, String>>,
    #[schema(max_items = 100)]
    discovery_questions: Option<Vec<String>>,
    #[schema(max_items = 100)]
    closing_techniques: Option<Vec<String>>,
    product_id: Option<uuid::Uuid>,
    client_id: Option<uuid::Uuid>,
    #[schema(value_type = bool, required = false)]
    is_active: bool,
}

/// What was read of it.
#[derive(Debug)]
pub(super) struct ReadNewScript {
    labels: Labels,
    script_type: ScriptType,
    text: ScriptText,
}

const KNOWN: &[&str] = &[
    "name",
    "description",
    "script_type",
    "content",
    "key_talking_points",
    "objection_handlers",
    "discovery_questions",
    "closing_techniques",
    "product_id",
    "client_id",
    "is_active",
];

impl ReadBody for ReadNewScript {
    const KNOWN: &'static [&'static str] = KNOWN;

    fn read(fields: &mut Fields) -> Self {
        let labels = new_labels(fields);
        let script_type = kind(fields, "script_type", &types()).value().unwrap_or(ScriptType::General);
        let content = fields.text("content", 1..=MAX_CONTENT_CHARS);
        let text = ScriptText {
            content: fields.required("content", content),
            key_talking_points: items(fields, "key_talking_points").value().unwrap_or_default(),
            objection_handlers: handlers(fields).value().unwrap_or_default(),
            discovery_questions: items(fields, "discovery_questions").value().unwrap_or_default(),
            closing_techniques: items(fields, "closing_techniques").value().unwrap_or_default(),
        };
        Self { labels, script_type, text }
    }
}

fn items(fields: &mut Fields, name: &str) -> Given<Vec<String>> {
    fields.texts_within(name, MAX_ITEMS, MAX_ITEM_CHARS)
}

fn handlers(fields: &mut Fields) -> Given<BTreeMap<String, String>> {
    fields.table("objection_handlers", MAX_ITEMS, MAX_ITEM_CHARS)
}

/// Writes a script down that a person wrote.
#[utoipa::path(post, path = "/scripts", tag = "content", request_body = NewScriptBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 201, body = ScriptObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    _: Query<()>,
    key: IdempotencyKey,
    body: Body<ReadNewScript>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let key = key.with(caller.user(), &body.sha256);
    let new = NewScript {
        id: ScriptId::new(),
        labels: body.content.labels,
        script_type: body.content.script_type,
        text: body.content.text,
        created_by: caller.user(),
    };
    let (work, org, own) = (state.clone(), caller.org(), new.id);
    let id = state.detached(async move { write(&work, org, &new, key).await }).await?;
    let script = read(&state, &caller, id).await?;
    let response = with_header(whole(StatusCode::CREATED, &script), "location", &format!("/scripts/{id}"));
    Ok(if id == own { response } else { with_header(response, REPLAYED.0, REPLAYED.1) })
}

async fn write(state: &AppState, org: OrgId, new: &NewScript, key: Option<KeyedRequest>) -> Result<ScriptId, Problem> {
    let mut tx = state.db.begin().await?;
    let mut org_tx = tx.enter(org).await?;
    if let Some(before) = claim(&mut org_tx, key.as_ref(), "script", new.id.uuid()).await? {
        return Ok(before.into());
    }
    script::create(&mut org_tx, new).await.map_err(refused)?;
    tx.commit().await?;
    Ok(new.id)
}

/// What is to change; what is left out stays, and null clears. A change of content, key_talking_points, objection_handlers,
/// discovery_questions or closing_techniques makes a version.
#[derive(Debug, ToSchema)]
#[schema(as = ScriptChange)]
#[expect(dead_code, reason = "the document shows the members; they are read into the types of core")]
pub(super) struct ScriptChangeBody {
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255, pattern = r"\S")]
    name: String,
    #[schema(min_length = 1, max_length = 5_000, pattern = r"\S")]
    description: Option<String>,
    #[schema(value_type = String, required = false, pattern = "^(cold_call|follow_up|demo|closing|general)$")]
    script_type: String,
    #[schema(value_type = String, required = false, min_length = 1, max_length = 100_000, pattern = r"\S")]
    content: String,
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    key_talking_points: Vec<String>,
    /// What to answer, by objection; at most 100. They are replaced whole.
    #[schema(required = false)]
    objection_handlers: BTreeMap<String, String>,
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    discovery_questions: Vec<String>,
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    closing_techniques: Vec<String>,
    product_id: Option<uuid::Uuid>,
    client_id: Option<uuid::Uuid>,
    #[schema(value_type = bool, required = false)]
    is_active: bool,
}

impl ReadBody for ScriptChange {
    const KNOWN: &'static [&'static str] = KNOWN;

    fn read(fields: &mut Fields) -> Self {
        let content = fields.text("content", 1..=MAX_CONTENT_CHARS);
        let mut list = |name: &str| {
            let given = items(fields, name);
            fields.not_null(name, given).value()
        };
        let (points, questions) = (list("key_talking_points"), list("discovery_questions"));
        let techniques = list("closing_techniques");
        let handlers = handlers(fields);
        Self {
            labels: label_change(fields),
            script_type: kind(fields, "script_type", &types()).value(),
            content: fields.not_null("content", content).value(),
            key_talking_points: points,
            objection_handlers: fields.not_null("objection_handlers", handlers).value(),
            discovery_questions: questions,
            closing_techniques: techniques,
        }
    }
}

/// Changes a script. A change of its words makes a version.
#[utoipa::path(patch, path = "/scripts/{id}", tag = "content", request_body = ScriptChangeBody,
    params(("id" = uuid::Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = ScriptObject), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub(super) async fn patch(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, RequiredIfMatch(expected)): (Id<ScriptId>, Query<()>, RequiredIfMatch),
    body: Body<ScriptChange>,
) -> Result<Response, Problem> {
    let (work, org) = (state.clone(), may.caller.org());
    state.detached(async move { change(&work, org, (id, &expected), &body.content).await }).await?;
    Ok(whole(StatusCode::OK, &read(&state, &may.caller, id).await?))
}

/// Puts a script away. It stays where it is, out of lists; `is_active` brings it back.
#[utoipa::path(delete, path = "/scripts/{id}", tag = "content",
    params(("id" = uuid::Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub(super) async fn delete(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, RequiredIfMatch(expected)): (Id<ScriptId>, Query<()>, RequiredIfMatch),
    _: NoBody,
) -> Result<Response, Problem> {
    let away = ScriptChange {
        labels: LabelChange { is_active: Some(false), ..LabelChange::default() },
        ..ScriptChange::default()
    };
    let (work, org) = (state.clone(), may.caller.org());
    state.detached(async move { change(&work, org, (id, &expected), &away).await }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes the lock, holds the script against what its editor has seen, and changes it.
async fn change(
    state: &AppState,
    org: OrgId,
    (id, expected): (ScriptId, &IfMatch),
    change: &ScriptChange,
) -> Result<(), Problem> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(org).await?;
    script::lock(&mut org, id).await?.ok_or_else(script_not_found)?;
    let current = script::get(&mut org, id).await?.ok_or_else(script_not_found)?;
    expected.check(&ScriptObject::from(current.clone()).etag())?;
    script::change(&mut org, &current, change).await.map_err(refused)?;
    Ok(tx.commit().await?)
}
