//! `dead_letter`: the plan's columns, and what the contract adds to them.

use chrono::{DateTime, Utc};
use hellosales_core::dead_letter::read::{Letter, Payload};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A run that was stopped, kept with its context.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterObject {
    #[schema(example = "dead_letter")]
    pub object: &'static str,
    pub id: Uuid,
    pub org_id: Uuid,
    pub pipeline_run_id: Uuid,
    /// The life of the run that ended here.
    pub generation: i32,
    /// The letter of the life before.
    pub previous_id: Option<Uuid>,
    pub pipeline: Option<String>,
    pub pipeline_version: Option<i32>,
    pub batch_id: Option<Uuid>,
    pub error_type: String,
    pub error_message: Option<String>,
    pub error_code: Option<String>,
    pub failed_stage: Option<String>,
    pub stack_trace: Option<String>,
    pub provider: Option<String>,
    pub model_id: Option<String>,
    /// The same cause, the same value.
    pub fingerprint: Option<String>,
    /// Every death of this life, in order.
    #[schema(value_type = Vec<Object>)]
    pub errors: Value,
    /// Every attempt of this life, in order, with its worker, its times and its provider calls.
    #[schema(value_type = Vec<Object>)]
    pub attempts: Value,
    pub failures: i32,
    pub crashes: i32,
    pub snoozes: i32,
    /// With `pulse:payloads` only, and of one letter: what the run was given and what its stages knew. Whoever reads it is written down.
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Value>,
    /// The same as `payload.context`.
    #[schema(value_type = Option<Object>)]
    pub context_snapshot: Option<Value>,
    /// The same as `payload.input`.
    #[schema(value_type = Option<Object>)]
    pub input_data: Option<Value>,
    /// When the payload went by retention.
    pub payload_pruned_at: Option<DateTime<Utc>>,
    pub request_id: Option<String>,
    pub session_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub retry_count: i32,
    pub max_retries: i32,
    pub last_retry_at: Option<DateTime<Utc>>,
    pub next_retry_at: Option<DateTime<Utc>>,
    /// `pending`, `investigating`, `resolved` or `abandoned`.
    pub status: String,
    /// `redriven`, `fixed` or `wont_fix`.
    pub resolution: Option<String>,
    pub resolved_by: Option<Uuid>,
    pub resolved_by_actor: Option<String>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution_notes: Option<String>,
    pub investigated_by_actor: Option<String>,
    pub investigated_at: Option<DateTime<Utc>>,
    /// What its run had finished is gone: it can only begin from the start.
    pub restart_only: bool,
    /// Where its run stands now; `null` once that was pruned.
    pub run_status: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl DeadLetterObject {
    /// With what people wrote.
    pub(crate) fn with_payload(mut self, payload: Payload) -> Self {
        self.payload = Some(json!({"input": payload.input, "context": payload.context}));
        self.context_snapshot = Some(payload.context);
        self.input_data = payload.input;
        self
    }
}

impl From<Letter> for DeadLetterObject {
    fn from(letter: Letter) -> Self {
        Self {
            object: "dead_letter",
            id: letter.id.uuid(),
            org_id: letter.org_id.uuid(),
            pipeline_run_id: letter.pipeline_run_id.uuid(),
            generation: letter.generation,
            previous_id: letter.previous_id.map(|id| id.uuid()),
            pipeline: letter.pipeline,
            pipeline_version: letter.pipeline_version,
            batch_id: letter.batch_id.map(|id| id.uuid()),
            error_type: letter.error_type,
            error_message: letter.error_message,
            error_code: letter.error_code,
            failed_stage: letter.failed_stage,
            stack_trace: None,
            provider: letter.provider,
            model_id: letter.model_id,
            fingerprint: letter.fingerprint,
            errors: letter.errors,
            attempts: letter.attempts,
            failures: letter.failures,
            crashes: letter.crashes,
            snoozes: letter.snoozes,
            payload: None,
            context_snapshot: None,
            input_data: None,
            payload_pruned_at: letter.payload_pruned_at,
            request_id: letter.request_id,
            session_id: letter.session_id.map(|id| id.uuid()),
            user_id: letter.user_id.map(|id| id.uuid()),
            retry_count: letter.retry_count,
            max_retries: letter.max_retries,
            last_retry_at: letter.last_retry_at,
            next_retry_at: letter.next_retry_at,
            status: letter.status,
            resolution: letter.resolution,
            resolved_by: letter.resolved_by.map(|id| id.uuid()),
            resolved_by_actor: letter.resolved_by_actor,
            resolved_at: letter.resolved_at,
            resolution_notes: letter.resolution_notes,
            investigated_by_actor: letter.investigated_by_actor,
            investigated_at: letter.investigated_at,
            restart_only: letter.restart_only,
            run_status: letter.run_status,
            created_at: letter.created_at,
            updated_at: letter.updated_at,
        }
    }
}
