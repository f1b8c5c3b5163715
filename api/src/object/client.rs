//! `client`.

use chrono::{DateTime, Utc};
use hellosales_core::content::client::Client;
use hellosales_core::content::kept::Kept;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Whom it is sold to.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Client)]
pub(crate) struct ClientObject {
    #[schema(example = "client")]
    pub object: &'static str,
    pub id: Uuid,
    /// Grows with each change.
    pub version: i32,
    pub external_id: Option<String>,
    pub name: String,
    pub company: Option<String>,
    pub title: Option<String>,
    pub industry: Option<String>,
    pub email: Option<String>,
    pub pain_points: Vec<String>,
    pub goals: Vec<String>,
    pub objection_patterns: Vec<String>,
    pub communication_style: Option<String>,
    pub decision_criteria: Vec<String>,
    /// False of one that was put away.
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl From<Kept<Client>> for ClientObject {
    fn from(row: Kept<Client>) -> Self {
        let client = row.content;
        Self {
            object: "client",
            id: client.id.uuid(),
            version: row.version,
            external_id: client.external_id,
            name: client.name,
            company: client.company,
            title: client.title,
            industry: client.industry,
            email: client.email,
            pain_points: client.pain_points,
            goals: client.goals,
            objection_patterns: client.objection_patterns,
            communication_style: client.communication_style,
            decision_criteria: client.decision_criteria,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
