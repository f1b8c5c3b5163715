//! `email`: a version of it, with the labels of its lineage.

use chrono::{DateTime, Utc};
use hellosales_core::content::email::Email;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::generated::{GeneratedObject, Provenance, WarningObject};
use crate::extract::ETag;

/// A sales email.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Email)]
pub(crate) struct EmailObject {
    #[schema(example = "email")]
    pub object: &'static str,
    /// Of the email, whatever its version.
    pub id: Uuid,
    pub version: i32,
    pub version_id: Uuid,
    pub parent_version_id: Option<Uuid>,
    pub is_latest: bool,
    pub name: String,
    pub description: Option<String>,
    /// `cold_outreach`, `follow_up`, `proposal`, `closing` or `general`.
    pub email_type: String,
    pub subject: String,
    pub body: String,
    pub call_to_action: Option<String>,
    pub personalization_fields: Vec<String>,
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

impl EmailObject {
    /// Of the email as it is now: its latest version and its labels.
    #[must_use]
    pub(crate) fn etag(&self) -> ETag {
        ETag::version(self.revision)
    }
}

impl From<Email> for EmailObject {
    fn from(email: Email) -> Self {
        let provenance = Provenance {
            session_id: email.session_id,
            batch_id: email.batch_id,
            provider: email.provider,
            model_id: email.model_id,
            prompt_version: email.prompt_version,
            cost_cents: email.cost_cents,
            is_stale: email.is_stale,
        };
        Self {
            object: "email",
            id: email.id.uuid(),
            version: email.version,
            version_id: email.version_id.uuid(),
            parent_version_id: email.parent_version_id.map(|id| id.uuid()),
            is_latest: email.is_latest,
            name: email.name,
            description: email.description,
            email_type: email.email_type,
            subject: email.subject,
            body: email.body,
            call_to_action: email.call_to_action,
            personalization_fields: email.personalization_fields.0,
            product_id: email.product_id.map(|id| id.uuid()),
            client_id: email.client_id.map(|id| id.uuid()),
            is_active: email.is_active,
            origin: email.origin,
            generated: email.run_id.map(|run| GeneratedObject::new(run, provenance)),
            warnings: email.warnings.0.into_iter().map(WarningObject::from).collect(),
            created_by: email.created_by.map(|id| id.uuid()),
            created_at: email.created_at,
            updated_at: email.updated_at,
            revision: email.revision,
        }
    }
}
