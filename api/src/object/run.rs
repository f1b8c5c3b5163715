//! `run`: the same in a 202, in `GET /runs/{id}`, and in events.

use chrono::{DateTime, Utc};
use hellosales_core::content::interaction::Interaction;
use hellosales_core::pulse::Written;
use hellosales_core::pulse::runs::{Run, RunRow};
use hellosales_core::pulse::why;
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{EmailObject, InteractionObject, ScriptObject};
use crate::error::{RunError, timestamp};

/// What keeps a run from moving.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Waiting {
    /// `backoff`, `rate_limited`, `provider_down`, `budget`, `session_busy`, `batch_paused`, `queue_paused` or `no_worker`.
    pub reason: String,
    pub until: Option<String>,
    pub detail: Option<String>,
}

impl From<why::Waiting> for Waiting {
    fn from(waiting: why::Waiting) -> Self {
        let why::Waiting { reason, until, detail } = waiting;
        Self { reason: reason.as_str().to_owned(), until: until.map(timestamp), detail }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Progress {
    pub stage: Option<String>,
    pub done: u32,
    pub total: u32,
    pub attempt: Option<i32>,
    pub max_attempts: Option<i32>,
}

/// The user's interaction that a run answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Input {
    pub interaction_id: Option<Uuid>,
    pub sequence_number: Option<i32>,
    pub message_id: Option<String>,
}

/// What a run makes; known when it is submitted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Target {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: Uuid,
    /// Of an interaction.
    pub sequence_number: Option<i32>,
}

/// What a run used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Usage {
    pub tokens_in: i32,
    pub tokens_out: i32,
    #[serde(serialize_with = "super::cents")]
    #[schema(value_type = f64)]
    pub cost_cents: Decimal,
    pub provider: Option<String>,
    pub model: Option<String>,
}

/// How long a run took.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Timing {
    pub queued_ms: Option<i64>,
    pub ttft_ms: Option<i32>,
    pub total_ms: Option<i64>,
}

/// Where to go from a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Links {
    #[serde(rename = "self")]
    pub this: String,
    pub events: String,
    /// `null` once it has ended.
    pub cancel: Option<String>,
    /// Of a failed run.
    pub retry: Option<String>,
}

/// What a run made.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ResultObject {
    Script(Box<ScriptObject>),
    Email(Box<EmailObject>),
    Interaction(Box<InteractionObject>),
}

/// One execution of a pipeline for one input.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunObject {
    #[schema(example = "run")]
    pub object: &'static str,
    pub id: Uuid,
    pub pipeline: String,
    pub pipeline_version: i32,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// `user`, `guard`, `operator`, `batch` or `error`.
    pub status_reason: Option<String>,
    pub generation: i32,
    /// `interactive`, `standard` or `bulk`.
    pub lane: String,
    /// `fast`, `balanced` or `quality`.
    pub quality_mode: String,
    pub waiting: Option<Waiting>,
    pub progress: Progress,
    pub input: Input,
    pub target: Option<Target>,
    /// The Script, Email or Interaction that the run made.
    pub result: Option<ResultObject>,
    pub error: Option<RunError>,
    pub session_id: Option<Uuid>,
    pub batch_id: Option<Uuid>,
    pub parent_run_id: Option<Uuid>,
    pub usage: Usage,
    pub timing: Timing,
    pub request_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub links: Links,
}

impl From<Run> for RunObject {
    fn from(run: Run) -> Self {
        let Run { row, written } = run;
        let id = row.id.uuid();
        let this = format!("/runs/{id}");
        let (waiting, progress) = (row.waiting(), row.progress());
        let is_failed = row.status == "failed";
        Self {
            object: "run",
            id,
            waiting: waiting.map(Waiting::from),
            progress: Progress {
                stage: progress.stage,
                done: progress.done,
                total: progress.total,
                attempt: progress.attempt,
                max_attempts: progress.max_attempts,
            },
            timing: timing(&row),
            target: target(&row),
            error: error(&row),
            result: result(&row, written),
            links: Links {
                events: format!("{this}/events"),
                cancel: (!row.has_ended()).then(|| format!("{this}/cancel")),
                retry: is_failed.then(|| format!("{this}/retry")),
                this,
            },
            input: Input {
                interaction_id: row.interaction_id.map(|id| id.uuid()),
                sequence_number: row.user_sequence,
                message_id: row.message_id,
            },
            usage: Usage {
                tokens_in: row.tokens_in,
                tokens_out: row.tokens_out,
                cost_cents: row.total_cost_cents,
                provider: row.provider,
                model: row.model_id,
            },
            pipeline: row.pipeline,
            pipeline_version: row.pipeline_version,
            status: row.status,
            status_reason: row.status_reason,
            generation: row.generation,
            lane: row.behavior,
            quality_mode: row.quality_mode,
            session_id: row.session_id.map(|id| id.uuid()),
            batch_id: row.batch_id,
            parent_run_id: row.parent_run_id.map(|id| id.uuid()),
            request_id: row.request_id,
            created_at: row.created_at,
            started_at: row.started_at,
            completed_at: row.completed_at,
        }
    }
}

fn timing(row: &RunRow) -> Timing {
    let since = |at: DateTime<Utc>| (at - row.created_at).num_milliseconds().max(0);
    Timing {
        queued_ms: row.started_at.map(since),
        ttft_ms: row.ttft_ms,
        total_ms: row.total_latency_ms.map(i64::from).or(row.completed_at.map(since)),
    }
}

fn target(row: &RunRow) -> Option<Target> {
    let (kind, id) = (row.target_type.clone()?, row.target_id?);
    Some(Target { kind, id, sequence_number: row.user_sequence.map(|sequence| sequence + 1) })
}

fn error(row: &RunRow) -> Option<RunError> {
    let failure = super::failure(row.failure.clone()?);
    let failure = failure
        .inspect_err(|error| tracing::error!(run_id = %row.id, %error, "a stored failure can't be read"))
        .ok()?;
    Some(RunError::of(failure, row.request_id.clone(), row.completed_at.unwrap_or(row.created_at)))
}

/// What a run made. What other pipelines hand on between their stages is no object of the contract.
fn result(row: &RunRow, written: Option<Written>) -> Option<ResultObject> {
    match written {
        Some(Written::Script(script)) => Some(ResultObject::Script(Box::new((*script).into()))),
        Some(Written::Email(email)) => Some(ResultObject::Email(Box::new((*email).into()))),
        None => said(row).map(|said| ResultObject::Interaction(Box::new(said))),
    }
}

/// Of a turn, the stored interaction.
fn said(row: &RunRow) -> Option<InteractionObject> {
    if row.target_type.as_deref() != Some("interaction") {
        return None;
    }
    let said = Interaction {
        id: row.target_id?.into(),
        session_id: row.session_id?,
        run_id: Some(row.id),
        role: row.said_role.clone()?,
        status: row.said_status.clone()?,
        sequence_number: row.said_sequence?,
        message_id: None,
        input_type: "text".to_owned(),
        content: row.said_content.clone(),
        filtered: row.said_filtered?,
        superseded_by: row.said_superseded_by,
        created_at: row.said_at?,
    };
    Some(said.into())
}
