//! `batch_item`: the same in results and in events.

use chrono::{DateTime, Utc};
use hellosales_core::batch::{EmailText, Item};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Whom an email is for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItemClient)]
pub(crate) struct Recipient {
    pub id: Uuid,
    pub name: Option<String>,
    pub company: Option<String>,
    pub email: Option<String>,
}

/// An email, as far as one decides by it whether to send it; the whole one is at `/emails/{id}`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItemEmail)]
pub(crate) struct ItemEmail {
    #[schema(example = "email")]
    pub object: &'static str,
    pub id: Uuid,
    pub version: i32,
    pub version_id: Uuid,
    pub name: String,
    pub email_type: String,
    pub subject: String,
    pub body: String,
    pub call_to_action: Option<String>,
    #[schema(value_type = Vec<String>)]
    pub personalization_fields: Value,
    #[schema(value_type = Vec<Object>)]
    pub warnings: Value,
    /// `generated` or `edited`.
    pub origin: String,
}

/// Why an item failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItemError)]
pub(crate) struct ItemError {
    pub code: String,
    pub message: String,
}

/// One client's place in a batch, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItem)]
pub(crate) struct ItemObject {
    #[schema(example = "batch_item")]
    pub object: &'static str,
    /// Its place in the list, from 0.
    pub n: i32,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    pub status: String,
    pub client: Recipient,
    pub run_id: Option<Uuid>,
    pub email: Option<ItemEmail>,
    pub error: Option<ItemError>,
    #[serde(serialize_with = "super::cents")]
    #[schema(value_type = f64)]
    pub cost_cents: Decimal,
    /// Of its email.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Value,
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<Item> for ItemObject {
    fn from(item: Item) -> Self {
        let warnings = item.email.as_ref().map_or_else(|| Value::Array(Vec::new()), |email| email.warnings.clone());
        Self {
            object: "batch_item",
            n: item.n,
            status: item.status,
            client: Recipient {
                id: item.client_id.uuid(),
                name: item.client_name,
                company: item.client_company,
                email: item.client_email,
            },
            run_id: item.run_id.map(|id| id.uuid()),
            email: item.email.map(ItemEmail::from),
            error: item.failure.as_ref().and_then(error),
            cost_cents: item.cost_cents,
            warnings,
            ended_at: item.ended_at,
        }
    }
}

impl From<EmailText> for ItemEmail {
    fn from(email: EmailText) -> Self {
        Self {
            object: "email",
            id: email.id.uuid(),
            version: email.version,
            version_id: email.version_id.uuid(),
            name: email.name,
            email_type: email.email_type,
            subject: email.subject,
            body: email.body,
            call_to_action: email.call_to_action,
            personalization_fields: email.personalization_fields,
            warnings: email.warnings,
            origin: email.origin,
        }
    }
}

fn error(failure: &Value) -> Option<ItemError> {
    let text = |name: &str| failure.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(ItemError { code: text("code")?, message: text("message").unwrap_or_default() })
}
