//! By hand: a limit is set, and what the workers' file says does not count any more.

use serde_json::json;

use super::Limit;
use crate::audit::{self, Entry};
use crate::breaker::{Order, wake};
use crate::database::Database;
use crate::error::DatabaseError;

/// Sets a model's limits; without any they are the file's again, from the next start of a worker on.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn set(db: &Database, limit: &Limit, order: &Order) -> Result<(), DatabaseError> {
    let mut tx = db.begin().await?;
    let is_set = limit.requests_per_minute.is_some() || limit.tokens_per_minute.is_some();
    sqlx::query!(
        "INSERT INTO limits AS l (provider, model, requests_per_minute, request_burst, tokens_per_minute, token_burst, set_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (provider, model) DO UPDATE SET requests_per_minute = excluded.requests_per_minute,
           request_burst = excluded.request_burst, tokens_per_minute = excluded.tokens_per_minute, token_burst = excluded.token_burst,
           set_by = excluded.set_by, requests_tat = NULL, tokens_tat = NULL",
        limit.provider,
        limit.model,
        limit.requests_per_minute,
        limit.request_burst,
        limit.tokens_per_minute,
        limit.token_burst,
        is_set.then_some(order.actor.as_str()),
    )
    .execute(tx.connection())
    .await?;
    let entry = Entry {
        org_id: None,
        actor: &order.actor,
        action: "provider.limit",
        target_type: "provider",
        target_id: &format!("{}/{}", limit.provider, limit.model),
        reason: Some(&order.reason),
        details: json!({ "requests_per_minute": limit.requests_per_minute, "tokens_per_minute": limit.tokens_per_minute }),
    };
    audit::record(tx.connection(), &entry).await?;
    tx.commit().await?;
    wake(db).await
}
