//! A dead letter's run is put back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::dead_letter::read;
use hellosales_core::queue::redrive::{self, Model, Redrive, Redriven, Refusal, Start};
use hellosales_core::{DeadLetterId, RunId};
use serde_json::Value;
use utoipa::ToSchema;

use super::filter::{OrgQuery, invalid_state};
use super::{Desk, bare, json, letter_not_found, with_header};
use crate::auth::{DlqManage, May};
use crate::error::{Fault, Problem, ProblemBody};
use crate::extract::{Body, Fields, Given, Id, Query, ReadBody};
use crate::object::DeadLetterObject;
use crate::state::AppState;

pub(super) const MAX_MODEL_CHARS: usize = 200;
pub(super) const MAX_REASON_CHARS: usize = 500;
const MAX_INPUT_BYTES: usize = 64 * 1024;

/// How its run begins again.
#[derive(Debug, Clone, ToSchema)]
#[schema(as = Redrive)]
pub(super) struct RedriveBody {
    /// `failed`: what is finished stands; `start`: everything runs again, which an edited input needs.
    #[schema(value_type = Option<String>, pattern = "^(failed|start)$")]
    from: Option<Start>,
    /// Who answers this time: a model, or `provider/model`.
    #[schema(min_length = 1, max_length = 200)]
    model: Option<String>,
    /// What it is given instead of what it was; the original stays in the dead letter.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Takes `from`.
pub(super) fn start(fields: &mut Fields) -> Option<Start> {
    fields.word("from", &[("failed", Start::Failed), ("start", Start::Start)]).value()
}

/// Takes `model`.
pub(super) fn model(fields: &mut Fields) -> Option<String> {
    let model = fields.text("model", 1..=MAX_MODEL_CHARS).value()?;
    if model.chars().any(char::is_control) {
        fields.fault("model", "control_character", "must be on one line");
    }
    Some(model)
}

impl ReadBody for RedriveBody {
    const KNOWN: &'static [&'static str] = &["from", "model", "input", "reason"];

    fn read(fields: &mut Fields) -> Self {
        let from = start(fields);
        let input = match fields.object("input", MAX_INPUT_BYTES) {
            Given::Value(input) => Some(Value::Object(input)),
            Given::Null | Given::Absent => None,
        };
        if input.is_some() && from == Some(Start::Failed) {
            fields.fault("from", "unknown_value", "must be start for an edited input");
        }
        Self { from, model: model(fields), input, reason: fields.text("reason", 1..=MAX_REASON_CHARS).value() }
    }
}

/// Puts its run back: what is finished stands.
#[utoipa::path(post, path = "/pulse/dead-letter-queue/{id}/retry", tag = "pulse",
    params(("id" = uuid::Uuid, Path), ("org_id" = Option<uuid::Uuid>, Query)), request_body = RedriveBody,
    responses((status = 202, body = DeadLetterObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn retry(
    State(state): State<AppState>,
    may: May<DlqManage>,
    (Id(id), Query(query)): (Id<DeadLetterId>, Query<OrgQuery>),
    body: Body<RedriveBody>,
) -> Result<Response, Problem> {
    put_back(&state, Desk::new(&may, &query)?, id, body.content).await
}

/// The same by its other name.
#[utoipa::path(post, path = "/pulse/dead-letter-queue/{id}/redrive", tag = "pulse",
    params(("id" = uuid::Uuid, Path), ("org_id" = Option<uuid::Uuid>, Query)), request_body = RedriveBody,
    responses((status = 202, body = DeadLetterObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn redrive(
    State(state): State<AppState>,
    may: May<DlqManage>,
    (Id(id), Query(query)): (Id<DeadLetterId>, Query<OrgQuery>),
    body: Body<RedriveBody>,
) -> Result<Response, Problem> {
    put_back(&state, Desk::new(&may, &query)?, id, body.content).await
}

async fn put_back(state: &AppState, desk: Desk, id: DeadLetterId, body: RedriveBody) -> Result<Response, Problem> {
    let (work, org) = (state.clone(), desk.org);
    let redriven = async move { redriven(&work, &desk, id, &body).await };
    let run = state.detached(redriven).await?;
    let response = json(StatusCode::ACCEPTED, &bare(state, org, id).await?);
    Ok(with_header(with_header(response, "location", &format!("/runs/{run}")), "retry-after", "1"))
}

async fn redriven(state: &AppState, desk: &Desk, id: DeadLetterId, body: &RedriveBody) -> Result<RunId, Problem> {
    let mut tx = state.db.begin().await?;
    tx.enter(desk.org).await?;
    let letter = read::get(&mut tx, Some(desk.org), id).await?.ok_or_else(letter_not_found)?;
    drop(tx);
    let from = body.from.unwrap_or(if body.input.is_some() { Start::Start } else { Start::Failed });
    let how = Redrive {
        user: Some(desk.user),
        reason: body.reason.as_deref(),
        from,
        model: body.model.as_deref().map_or(Model::Usual, Model::This),
        input: body.input.as_ref(),
        generation: Some(letter.generation),
        stage_timeout_ms: state.config.stage_timeout_ms,
        ..Redrive::new(&desk.actor)
    };
    let (redriven, wakes) = redrive::redrive(&state.db, desk.org, letter.pipeline_run_id, &how).await?;
    state.notifier.send(wakes);
    match redriven {
        Redriven::Resumed { .. } | Redriven::Restarted { .. } => Ok(letter.pipeline_run_id),
        Redriven::InvalidState(status) => {
            Err(invalid_state(format!("its run was redriven, or is not failed: it is {status}")))
        }
        Redriven::Refused(Refusal::Input(fault)) => {
            Err(Problem::invalid(vec![Fault::new("/input", "invalid", fault.to_string())]))
        }
        Redriven::Refused(refusal) => Err(invalid_state(refusal.to_string())),
        Redriven::NotFound => Err(invalid_state("its run was pruned")),
    }
}
