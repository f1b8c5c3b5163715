//! `chat_session`.

use chrono::{DateTime, Utc};
use hellosales_core::content::session::Session;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::ETag;

/// The run whose turn it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ActiveRun {
    pub id: Uuid,
    pub status: String,
}

/// A conversation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ChatSession)]
pub(crate) struct SessionObject {
    #[schema(example = "chat_session")]
    pub object: &'static str,
    pub id: Uuid,
    pub title: Option<String>,
    /// `active` or `ended`.
    pub state: String,
    pub session_type: String,
    pub product_id: Option<Uuid>,
    pub client_id: Option<Uuid>,
    pub interaction_count: i32,
    #[serde(serialize_with = "super::cents")]
    #[schema(value_type = f64)]
    pub total_cost_cents: Decimal,
    pub active_run: Option<ActiveRun>,
    #[schema(value_type = Object)]
    pub metadata: Value,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub last_interaction_at: Option<DateTime<Utc>>,
}

impl From<Session> for SessionObject {
    fn from(session: Session) -> Self {
        let active_run = session
            .active_run_id
            .zip(session.active_run_status)
            .map(|(id, status)| ActiveRun { id: id.uuid(), status });
        Self {
            object: "chat_session",
            id: session.id.uuid(),
            title: session.title,
            state: session.state,
            session_type: session.session_type,
            product_id: session.product_id.map(|id| id.uuid()),
            client_id: session.client_id.map(|id| id.uuid()),
            interaction_count: session.interaction_count,
            total_cost_cents: session.total_cost_cents,
            active_run,
            metadata: session.metadata,
            started_at: session.started_at,
            ended_at: session.ended_at,
            last_interaction_at: session.last_interaction_at,
        }
    }
}

impl SessionObject {
    /// Of what can be edited: a turn that comes or goes doesn't make an editor's copy stale.
    #[must_use]
    pub(crate) fn etag(&self) -> ETag {
        let edited = json!([self.id, self.title, self.state, self.product_id, self.client_id, self.metadata]);
        let digest = Sha256::digest(edited.to_string());
        let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        ETag::digest(&short)
    }
}
