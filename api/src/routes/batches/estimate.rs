//! `POST /email-batches/estimate`: what a batch would be, before anything is spent.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::batch::{self, Estimate};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::new::{NewBatchBody, refused};
use crate::auth::{BatchWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Query};
use crate::object::Skipped;
use crate::routes::json;
use crate::state::AppState;

/// What a batch may cost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EstimatedCost)]
struct Cost {
    #[serde(serialize_with = "crate::object::cents")]
    #[schema(value_type = f64)]
    low: Decimal,
    #[serde(serialize_with = "crate::object::cents")]
    #[schema(value_type = f64)]
    expected: Decimal,
    #[serde(serialize_with = "crate::object::cents")]
    #[schema(value_type = f64)]
    high: Decimal,
    /// `recent_emails_of_type`, `recent_emails` or `usual`.
    basis: &'static str,
    /// From how many emails.
    looked_at: i64,
}

/// How long a batch may take.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EstimatedSeconds)]
struct Seconds {
    /// If nothing else is waiting.
    low: i64,
    /// After the organisation's own batches that are ahead.
    expected: i64,
    /// With as much again of other organisations.
    high: i64,
}

/// What a batch would be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchEstimate)]
pub(super) struct EstimateObject {
    #[schema(example = "batch_estimate")]
    object: &'static str,
    /// Emails.
    count: i32,
    skipped: Skipped,
    cost_cents: Cost,
    /// `null` while no worker is alive.
    seconds: Option<Seconds>,
}

impl From<Estimate> for EstimateObject {
    fn from(estimate: Estimate) -> Self {
        let count = Decimal::from(estimate.total);
        let cost = estimate.cost;
        Self {
            object: "batch_estimate",
            count: estimate.total,
            skipped: Skipped { duplicates: estimate.duplicates, inactive: estimate.inactive },
            cost_cents: Cost {
                low: cost.low * count,
                expected: cost.expected * count,
                high: cost.high * count,
                basis: cost.basis.as_str(),
                looked_at: cost.looked_at,
            },
            seconds: estimate.time.map(|time| {
                let (low, expected, high) = time.seconds(estimate.total.into());
                Seconds { low, expected, high }
            }),
        }
    }
}

/// What a batch would be: how many emails, what they may cost, how long they may take. Nothing is written.
#[utoipa::path(post, path = "/email-batches/estimate", tag = "batches", request_body = NewBatchBody,
    responses((status = 200, body = EstimateObject), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn estimate(
    State(state): State<AppState>,
    may: May<BatchWrite>,
    _: Query<()>,
    body: Body<NewBatchBody>,
) -> Result<Response, Problem> {
    let new = body.content.into_batch(&state, &may.caller);
    let usual = state.config.usual_email_cents.of(new.quality_mode);
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(may.caller.org()).await?;
    match batch::estimate(&mut org, &new, usual).await {
        Ok(estimate) => Ok(json(StatusCode::OK, &EstimateObject::from(estimate))),
        Err(error) => Err(refused(error, &new.choice)?),
    }
}
