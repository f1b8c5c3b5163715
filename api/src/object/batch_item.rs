//! `batch_item`: the same in results and in events.

use chrono::{DateTime, Utc};
use hellosales_core::batch::Item;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::EmailObject;
use super::generated::WarningObject;

/// Whom an email is for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BatchItemClient)]
pub(crate) struct Recipient {
    pub id: Uuid,
    pub name: Option<String>,
    pub company: Option<String>,
    pub email: Option<String>,
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
    pub email: Option<EmailObject>,
    pub error: Option<ItemError>,
    #[serde(serialize_with = "super::cents")]
    #[schema(value_type = f64)]
    pub cost_cents: Decimal,
    /// Of its email.
    pub warnings: Vec<WarningObject>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<Item> for ItemObject {
    fn from(item: Item) -> Self {
        let email = item.email.map(EmailObject::from);
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
            error: item.failure.as_ref().and_then(error),
            cost_cents: item.cost_cents,
            warnings: email.as_ref().map(|email| email.warnings.clone()).unwrap_or_default(),
            email,
            ended_at: item.ended_at,
        }
    }
}

fn error(failure: &Value) -> Option<ItemError> {
    let text = |name: &str| failure.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(ItemError { code: text("code")?, message: text("message").unwrap_or_default() })
}
