//! `PATCH /email-batches/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::batch::{self, BatchChange, ChangeError};
use hellosales_core::{BatchId, ErrorCode};
use rust_decimal::Decimal;
use utoipa::ToSchema;

use super::new::{MAX_COST_CENTS, MAX_INSTRUCTIONS_CHARS, MAX_NAME_CHARS};
use super::{batch_not_found, read, whole};
use crate::auth::{BatchWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Given, Id, IfMatch, Query, ReadBody};
use crate::object::{BatchObject, batch_etag};
use crate::state::AppState;

/// What is to change; what is left out stays, and null clears.
#[derive(Debug, ToSchema)]
#[schema(as = EmailBatchChange)]
pub(super) struct ChangeBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"\S")]
    name: Given<String>,
    /// Until the batch is approved, or while it is paused: of the emails that are yet to be begun.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4_000, pattern = r"\S")]
    instructions: Given<String>,
    /// Of a batch that was accepted with one: no less than what is spent, or about to be.
    #[schema(value_type = f64, required = false, exclusive_minimum = 0, maximum = 100_000_000)]
    max_cost_cents: Given<Decimal>,
}

impl ReadBody for ChangeBody {
    const KNOWN: &'static [&'static str] = &["name", "instructions", "max_cost_cents"];

    fn read(fields: &mut Fields) -> Self {
        let max = fields.cents("max_cost_cents", MAX_COST_CENTS);
        Self {
            name: fields.text("name", 1..=MAX_NAME_CHARS),
            instructions: fields.text("instructions", 1..=MAX_INSTRUCTIONS_CHARS),
            max_cost_cents: fields.not_null("max_cost_cents", max),
        }
    }
}

/// Changes what a batch is called, what is asked for, or what it may cost.
#[utoipa::path(patch, path = "/email-batches/{id}", tag = "batches", request_body = ChangeBody,
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = BatchObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 412, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn patch(
    State(state): State<AppState>,
    may: May<BatchWrite>,
    (Id(id), _, expected): (Id<BatchId>, Query<()>, IfMatch),
    body: Body<ChangeBody>,
) -> Result<Response, Problem> {
    let change = BatchChange {
        name: body.content.name.change(),
        instructions: body.content.instructions.change(),
        max_cost_cents: body.content.max_cost_cents.value(),
    };
    let (work, org) = (state.clone(), may.caller.org());
    let written = async move {
        let mut tx = work.db.begin().await?;
        let mut org = tx.enter(org).await?;
        let now = batch::lock(&mut org, id).await.map_err(refused)?;
        let (name, instructions) = (now.name.as_deref(), now.instructions.as_deref());
        expected.check(&batch_etag(id.uuid(), name, instructions, now.max_cost_cents))?;
        batch::change(&mut org, id, &now, &change).await.map_err(refused)?;
        tx.commit().await.map_err(Problem::from)
    };
    state.detached(written).await?;
    Ok(whole(StatusCode::OK, &read(&state, &may.caller, id).await?))
}

fn refused(error: ChangeError) -> Problem {
    let message = error.to_string();
    match error {
        ChangeError::Database(error) => error.into(),
        ChangeError::NotFound => batch_not_found(),
        ChangeError::Over(_) | ChangeError::Running(_) | ChangeError::Spent | ChangeError::NoBudget => {
            Problem::new(ErrorCode::InvalidState, message)
        }
    }
}
