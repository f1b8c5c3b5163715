//! Emails that people write and change.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hellosales_core::content::email::{self, EmailChange, EmailText, EmailType, NewEmail};
use hellosales_core::content::written::{LabelChange, Labels};
use hellosales_core::idempotency::KeyedRequest;
use hellosales_core::{EmailId, OrgId};
use utoipa::ToSchema;

use super::{email_not_found, read, types, whole};
use crate::auth::{ContentWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Given, Id, IdempotencyKey, IfMatch, NoBody, Query, ReadBody, RequiredIfMatch};
use crate::object::EmailObject;
use crate::routes::written::{claim, kind, label_change, new_labels, refused};
use crate::routes::{REPLAYED, with_header};
use crate::state::AppState;

const MAX_SUBJECT_CHARS: usize = 500;
const MAX_BODY_CHARS: usize = 50_000;
const MAX_CALL_CHARS: usize = 2_000;
const MAX_FIELDS: usize = 100;
const MAX_FIELD_CHARS: usize = 100;

/// An email to be, written by a person.
#[derive(Debug, ToSchema)]
#[schema(as = NewEmail)]
#[expect(dead_code, reason = "the document shows the members; they are read into the types of core")]
pub(super) struct NewEmailBody {
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    name: String,
    #[schema(min_length = 1, max_length = 5_000, pattern = r"\S")]
    description: Option<String>,
    /// `cold_outreach`, `follow_up`, `proposal`, `closing` or `general`.
    #[schema(value_type = String, required = false, pattern = "^(cold_outreach|follow_up|proposal|closing|general)$")]
    email_type: String,
    #[schema(min_length = 1, max_length = 500, pattern = r"\S")]
    subject: String,
    #[schema(min_length = 1, max_length = 50_000, pattern = r"\S")]
    body: String,
    #[schema(min_length = 1, max_length = 2_000, pattern = r"\S")]
    call_to_action: Option<String>,
    #[schema(max_items = 100)]
    personalization_fields: Option<Vec<String>>,
    product_id: Option<uuid::Uuid>,
    client_id: Option<uuid::Uuid>,
    #[schema(value_type = bool, required = false)]
    is_active: bool,
}

/// What was read of it.
#[derive(Debug)]
pub(super) struct ReadNewEmail {
    labels: Labels,
    email_type: EmailType,
    text: EmailText,
}

const KNOWN: &[&str] = &[
    "name",
    "description",
    "email_type",
    "subject",
    "body",
    "call_to_action",
    "personalization_fields",
    "product_id",
    "client_id",
    "is_active",
];

impl ReadBody for ReadNewEmail {
    const KNOWN: &'static [&'static str] = KNOWN;

    fn read(fields: &mut Fields) -> Self {
        let labels = new_labels(fields);
        let email_type = kind(fields, "email_type", &types()).value().unwrap_or(EmailType::General);
        let (subject, body) = (fields.text("subject", 1..=MAX_SUBJECT_CHARS), fields.text("body", 1..=MAX_BODY_CHARS));
        let text = EmailText {
            subject: fields.required("subject", subject),
            body: fields.required("body", body),
            call_to_action: fields.text("call_to_action", 1..=MAX_CALL_CHARS).value(),
            personalization_fields: merge_fields(fields).value().unwrap_or_default(),
        };
        Self { labels, email_type, text }
    }
}

fn merge_fields(fields: &mut Fields) -> Given<Vec<String>> {
    fields.texts_within("personalization_fields", MAX_FIELDS, MAX_FIELD_CHARS)
}

/// Writes an email down that a person wrote.
#[utoipa::path(post, path = "/emails", tag = "content", request_body = NewEmailBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 201, body = EmailObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    _: Query<()>,
    key: IdempotencyKey,
    body: Body<ReadNewEmail>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let key = key.with(caller.user(), &body.sha256);
    let new = NewEmail {
        id: EmailId::new(),
        labels: body.content.labels,
        email_type: body.content.email_type,
        text: body.content.text,
        created_by: caller.user(),
    };
    let (work, org, own) = (state.clone(), caller.org(), new.id);
    let id = state.detached(async move { write(&work, org, &new, key).await }).await?;
    let email = read(&state, &caller, id).await?;
    let response = with_header(whole(StatusCode::CREATED, &email), "location", &format!("/emails/{id}"));
    Ok(if id == own { response } else { with_header(response, REPLAYED.0, REPLAYED.1) })
}

async fn write(state: &AppState, org: OrgId, new: &NewEmail, key: Option<KeyedRequest>) -> Result<EmailId, Problem> {
    let mut tx = state.db.begin().await?;
    let mut org_tx = tx.enter(org).await?;
    if let Some(before) = claim(&mut org_tx, key.as_ref(), "email", new.id.uuid()).await? {
        return Ok(before.into());
    }
    email::create(&mut org_tx, new).await.map_err(refused)?;
    tx.commit().await?;
    Ok(new.id)
}

/// What is to change; what is left out stays, and null clears. A change of subject, body, call_to_action or
/// personalization_fields makes a version.
#[derive(Debug, ToSchema)]
#[schema(as = EmailChange)]
#[expect(dead_code, reason = "the document shows the members; they are read into the types of core")]
pub(super) struct EmailChangeBody {
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255, pattern = r"\S")]
    name: String,
    #[schema(min_length = 1, max_length = 5_000, pattern = r"\S")]
    description: Option<String>,
    #[schema(value_type = String, required = false, pattern = "^(cold_outreach|follow_up|proposal|closing|general)$")]
    email_type: String,
    #[schema(value_type = String, required = false, min_length = 1, max_length = 500, pattern = r"\S")]
    subject: String,
    #[schema(value_type = String, required = false, min_length = 1, max_length = 50_000, pattern = r"\S")]
    body: String,
    #[schema(min_length = 1, max_length = 2_000, pattern = r"\S")]
    call_to_action: Option<String>,
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    personalization_fields: Vec<String>,
    product_id: Option<uuid::Uuid>,
    client_id: Option<uuid::Uuid>,
    #[schema(value_type = bool, required = false)]
    is_active: bool,
}

impl ReadBody for EmailChange {
    const KNOWN: &'static [&'static str] = KNOWN;

    fn read(fields: &mut Fields) -> Self {
        let (subject, body) = (fields.text("subject", 1..=MAX_SUBJECT_CHARS), fields.text("body", 1..=MAX_BODY_CHARS));
        let merge_fields = merge_fields(fields);
        Self {
            labels: label_change(fields),
            email_type: kind(fields, "email_type", &types()).value(),
            subject: fields.not_null("subject", subject).value(),
            body: fields.not_null("body", body).value(),
            call_to_action: fields.text("call_to_action", 1..=MAX_CALL_CHARS).change(),
            personalization_fields: fields.not_null("personalization_fields", merge_fields).value(),
        }
    }
}

/// Changes an email. A change of its words makes a version.
#[utoipa::path(patch, path = "/emails/{id}", tag = "content", request_body = EmailChangeBody,
    params(("id" = uuid::Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = EmailObject), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub(super) async fn patch(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, RequiredIfMatch(expected)): (Id<EmailId>, Query<()>, RequiredIfMatch),
    body: Body<EmailChange>,
) -> Result<Response, Problem> {
    let (work, org) = (state.clone(), may.caller.org());
    state.detached(async move { change(&work, org, (id, &expected), &body.content).await }).await?;
    Ok(whole(StatusCode::OK, &read(&state, &may.caller, id).await?))
}

/// Puts an email away. It stays where it is, out of lists; `is_active` brings it back.
#[utoipa::path(delete, path = "/emails/{id}", tag = "content",
    params(("id" = uuid::Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub(super) async fn delete(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, RequiredIfMatch(expected)): (Id<EmailId>, Query<()>, RequiredIfMatch),
    _: NoBody,
) -> Result<Response, Problem> {
    let away = EmailChange {
        labels: LabelChange { is_active: Some(false), ..LabelChange::default() },
        ..EmailChange::default()
    };
    let (work, org) = (state.clone(), may.caller.org());
    state.detached(async move { change(&work, org, (id, &expected), &away).await }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes the lock, holds the email against what its editor has seen, and changes it.
async fn change(
    state: &AppState,
    org: OrgId,
    (id, expected): (EmailId, &IfMatch),
    change: &EmailChange,
) -> Result<(), Problem> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(org).await?;
    email::lock(&mut org, id).await?.ok_or_else(email_not_found)?;
    let current = email::get(&mut org, id).await?.ok_or_else(email_not_found)?;
    expected.check(&EmailObject::from(current.clone()).etag())?;
    email::change(&mut org, &current, change).await.map_err(refused)?;
    Ok(tx.commit().await?)
}
