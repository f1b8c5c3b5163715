//! `script`: a version of it, with the labels of its lineage.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hellosales_core::content::script::Script;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::generated::{GeneratedObject, Provenance, WarningObject};
use crate::extract::ETag;

/// A sales script.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Script)]
pub(crate) struct ScriptObject {
    #[schema(example = "script")]
    pub object: &'static str,
    /// Of the script, whatever its version.
    pub id: Uuid,
    pub version: i32,
    pub version_id: Uuid,
    pub parent_version_id: Option<Uuid>,
    pub is_latest: bool,
    pub name: String,
    pub description: Option<String>,
    /// `cold_call`, `follow_up`, `demo`, `closing` or `general`.
    pub script_type: String,
    pub content: String,
    pub key_talking_points: Vec<String>,
    /// What to answer, by objection.
    pub objection_handlers: BTreeMap<String, String>,
    pub discovery_questions: Vec<String>,
    pub closing_techniques: Vec<String>,
    pub product_id: Option<Uuid>,
    pub client_id: Option<Uuid>,
    pub is_active: bool,
    /// `generated`, `edited` or `manual`.
    pub origin: String,
    /// `null` of what a person wrote.
    pub generated: Option<GeneratedObject>,
    pub warnings: Vec<WarningObject>,
    pub created_by: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What its tag is made of; it grows with each change.
    #[serde(skip)]
    #[schema(ignore)]
    revision: i32,
}

impl ScriptObject {
    /// Of the script as it is now: its latest version and its labels.
    #[must_use]
    pub(crate) fn etag(&self) -> ETag {
        ETag::version(self.revision)
    }
}

impl From<Script> for ScriptObject {
    fn from(script: Script) -> Self {
        let provenance = Provenance {
            session_id: script.session_id,
            batch_id: None,
            provider: script.provider,
            model_id: script.model_id,
            prompt_version: script.prompt_version,
            cost_cents: script.cost_cents,
            is_stale: script.is_stale,
        };
        Self {
            object: "script",
            id: script.id.uuid(),
            version: script.version,
            version_id: script.version_id.uuid(),
            parent_version_id: script.parent_version_id.map(|id| id.uuid()),
            is_latest: script.is_latest,
            name: script.name,
            description: script.description,
            script_type: script.script_type,
            content: script.content,
            key_talking_points: script.key_talking_points.0,
            objection_handlers: script.objection_handlers.0,
            discovery_questions: script.discovery_questions.0,
            closing_techniques: script.closing_techniques.0,
            product_id: script.product_id.map(|id| id.uuid()),
            client_id: script.client_id.map(|id| id.uuid()),
            is_active: script.is_active,
            origin: script.origin,
            generated: script.run_id.map(|run| GeneratedObject::new(run, provenance)),
            warnings: script.warnings.0.into_iter().map(WarningObject::from).collect(),
            created_by: script.created_by.map(|id| id.uuid()),
            created_at: script.created_at,
            updated_at: script.updated_at,
            revision: script.revision,
        }
    }
}
