//! `interaction`.

use chrono::{DateTime, Utc};
use hellosales_core::content::interaction::Interaction;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One thing said in a session.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Interaction)]
pub(crate) struct InteractionObject {
    #[schema(example = "interaction")]
    pub object: &'static str,
    pub id: Uuid,
    pub session_id: Uuid,
    pub run_id: Option<Uuid>,
    /// `user`, `assistant` or `system`.
    pub role: String,
    pub sequence_number: i32,
    /// `complete`, `streaming`, `partial`, `failed` or `blocked`.
    pub status: String,
    pub message_id: Option<String>,
    pub input_type: String,
    /// `null` while nothing is stored.
    pub content: Option<String>,
    pub filtered: bool,
    pub superseded_by: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

impl From<Interaction> for InteractionObject {
    fn from(said: Interaction) -> Self {
        Self {
            object: "interaction",
            id: said.id.uuid(),
            session_id: said.session_id.uuid(),
            run_id: said.run_id.map(|id| id.uuid()),
            role: said.role,
            sequence_number: said.sequence_number,
            status: said.status,
            message_id: said.message_id,
            input_type: said.input_type,
            content: said.content,
            filtered: said.filtered,
            superseded_by: said.superseded_by.map(|id| id.uuid()),
            created_at: said.created_at,
        }
    }
}
