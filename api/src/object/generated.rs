//! What scripts and emails show of how they came about.

use hellosales_core::content::generated::Warning;
use hellosales_core::{BatchId, RunId, SessionId};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a run wrote, and from what.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Generated)]
pub(crate) struct GeneratedObject {
    /// The run that wrote it, or what it was edited from.
    pub run_id: Uuid,
    pub session_id: Option<Uuid>,
    pub batch_id: Option<Uuid>,
    pub provider: Option<String>,
    pub model_id: Option<String>,
    /// `email@4`.
    pub prompt_version: Option<String>,
    #[serde(serialize_with = "cents")]
    #[schema(value_type = Option<f64>)]
    pub cost_cents: Option<Decimal>,
    /// What it was written from has changed since.
    pub stale: bool,
}

/// Where a generated text comes from, as its row tells it.
#[derive(Debug, Clone)]
pub(super) struct Provenance {
    pub(super) session_id: Option<SessionId>,
    pub(super) batch_id: Option<BatchId>,
    pub(super) provider: Option<String>,
    pub(super) model_id: Option<String>,
    pub(super) prompt_version: Option<String>,
    pub(super) cost_cents: Option<Decimal>,
    pub(super) is_stale: bool,
}

impl GeneratedObject {
    /// Of what a run wrote.
    pub(super) fn new(run: RunId, from: Provenance) -> Self {
        Self {
            run_id: run.uuid(),
            session_id: from.session_id.map(SessionId::uuid),
            batch_id: from.batch_id.map(BatchId::uuid),
            provider: from.provider,
            model_id: from.model_id,
            prompt_version: from.prompt_version,
            cost_cents: from.cost_cents,
            stale: from.is_stale,
        }
    }
}

fn cents<S: Serializer>(cents: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match cents {
        Some(cents) => super::cents(cents, serializer),
        None => serializer.serialize_none(),
    }
}

/// Why a text may not be worth sending.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Warning)]
pub(crate) struct WarningObject {
    #[schema(example = "UNSUPPORTED_NUMBER")]
    pub code: String,
    /// The words in question.
    pub text: String,
}

impl From<Warning> for WarningObject {
    fn from(warning: Warning) -> Self {
        Self { code: warning.code, text: warning.text }
    }
}
