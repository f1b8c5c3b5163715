//! `email_batch`: the same in a 202, in `GET /email-batches/{id}`, and in events.

use chrono::{DateTime, Utc};
use hellosales_core::batch::Batch;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::run::Waiting;
use crate::extract::ETag;

/// A batch's items, by how they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BatchCounts)]
pub(crate) struct Counts {
    pub total: i64,
    pub queued: i64,
    pub running: i64,
    pub completed: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Completed ones whose email has something to look at.
    pub warnings: i64,
}

/// Clients who were listed and get no email of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BatchSkipped)]
pub(crate) struct Skipped {
    /// Listed before.
    pub duplicates: i32,
    pub inactive: i32,
}

/// What a batch was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = BatchInput)]
pub(crate) struct Input {
    pub product_id: Option<Uuid>,
    pub email_type: String,
    pub instructions: Option<String>,
    /// `fast`, `balanced` or `quality`.
    pub quality_mode: String,
    /// As it was given; the clients were chosen when the batch was accepted.
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Value>,
    pub import_id: Option<Uuid>,
    /// So many first, then wait for a yes.
    pub sample: Option<i32>,
}

/// Where to go from a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BatchLinks)]
pub(crate) struct Links {
    #[serde(rename = "self")]
    pub this: String,
    pub events: String,
    pub results: String,
    pub csv: String,
}

/// One email for each client of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EmailBatch)]
pub(crate) struct BatchObject {
    #[schema(example = "email_batch")]
    pub object: &'static str,
    pub id: Uuid,
    pub name: Option<String>,
    /// `running`, `paused`, `awaiting_approval`, `cancelling`, `completed` or `cancelled`.
    pub status: String,
    /// Of a completed one: `all_succeeded`, `some_failed` or `all_failed`.
    pub outcome: Option<&'static str>,
    /// Grows with each retry of what failed.
    pub round: i32,
    pub counts: Counts,
    pub skipped: Skipped,
    #[serde(serialize_with = "super::cents")]
    #[schema(value_type = f64)]
    pub cost_cents: Decimal,
    #[serde(serialize_with = "super::cents")]
    #[schema(value_type = f64)]
    pub estimated_cost_cents: Decimal,
    #[serde(serialize_with = "super::some_cents")]
    #[schema(value_type = Option<f64>)]
    pub max_cost_cents: Option<Decimal>,
    /// Completed within the last minute.
    pub rate_per_minute: i64,
    /// When it will be done if it goes on like that.
    pub eta: Option<DateTime<Utc>>,
    pub input: Input,
    /// Why it doesn't move: `awaiting_approval`, or what all its live runs wait for.
    pub waiting: Option<Waiting>,
    pub created_by: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub links: Links,
}

impl From<&Batch> for BatchObject {
    fn from(batch: &Batch) -> Self {
        let id = batch.id.uuid();
        let this = format!("/email-batches/{id}");
        let counts = batch.counts;
        Self {
            object: "email_batch",
            id,
            name: batch.name.clone(),
            status: batch.status.clone(),
            outcome: batch.outcome(),
            round: batch.round,
            counts: Counts {
                total: counts.total,
                queued: counts.queued,
                running: counts.running,
                completed: counts.completed,
                failed: counts.failed,
                cancelled: counts.cancelled,
                warnings: counts.warnings,
            },
            skipped: Skipped { duplicates: batch.skipped_duplicates, inactive: batch.skipped_inactive },
            cost_cents: batch.cost_cents,
            estimated_cost_cents: batch.estimated_cost_cents,
            max_cost_cents: batch.max_cost_cents,
            rate_per_minute: batch.completed_in_last_minute,
            eta: batch.eta(),
            input: Input {
                product_id: batch.product_id.map(|id| id.uuid()),
                email_type: batch.email_type.clone(),
                instructions: batch.instructions.clone(),
                quality_mode: batch.quality_mode.clone(),
                filter: batch.filter.clone(),
                import_id: batch.import_id.map(|id| id.uuid()),
                sample: batch.sample,
            },
            waiting: batch.waiting().map(Waiting::from),
            created_by: batch.created_by.map(|id| id.uuid()),
            created_at: batch.created_at,
            completed_at: batch.completed_at,
            links: Links {
                events: format!("{this}/events"),
                results: format!("{this}/results"),
                csv: format!("{this}/results.csv"),
                this,
            },
        }
    }
}

impl From<Batch> for BatchObject {
    fn from(batch: Batch) -> Self {
        Self::from(&batch)
    }
}

impl BatchObject {
    /// Of what can be edited: an item that ends doesn't make an editor's copy stale.
    #[must_use]
    pub(crate) fn etag(&self) -> ETag {
        etag(self.id, self.name.as_deref(), self.input.instructions.as_deref(), self.max_cost_cents)
    }
}

/// Of what can be edited in a batch.
pub(crate) fn etag(id: Uuid, name: Option<&str>, instructions: Option<&str>, max_cost_cents: Option<Decimal>) -> ETag {
    let max = max_cost_cents.map(|cents| cents.normalize().to_string());
    ETag::digest(&super::digest(&serde_json::json!([id, name, instructions, max])))
}
