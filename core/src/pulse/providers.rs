//! The providers' models, for operators: what stands against them, and how they did within the last hour.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::database::Database;
use crate::error::DatabaseError;

/// A model, and how it does.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Whose.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// `closed`, `open`, or `probing`.
    pub breaker: String,
    /// When a probe may go.
    pub until: Option<DateTime<Utc>>,
    /// Since when it is open.
    pub opened_at: Option<DateTime<Utc>>,
    /// Who tripped it.
    pub actor: Option<String>,
    /// Why it is open.
    pub reason: Option<String>,
    /// Until when the provider wants a pause.
    pub paused_until: Option<DateTime<Utc>>,
    /// Requests a minute that we keep to.
    pub requests_per_minute: Option<i32>,
    /// Tokens a minute that we keep to.
    pub tokens_per_minute: Option<i32>,
    /// Requests that the provider said are left, within the last minute.
    pub requests_left: Option<i64>,
    /// Tokens that the provider said are left, within the last minute.
    pub tokens_left: Option<i64>,
    /// Calls of the last hour that have ended.
    pub calls: i64,
    /// Of these, those that failed.
    pub failed: i64,
    /// Within which 95 of 100 answers came.
    pub p95_ms: Option<i64>,
    /// Within which half of them began.
    pub ttft_ms: Option<i64>,
    /// What it cost since midnight, UTC.
    pub cost_today_cents: Decimal,
    /// Calls under way.
    pub under_way: i64,
}

/// All models that a worker has declared or a limit names, with what the ledger says of them; or one provider's.
///
/// # Errors
/// If the database can't be read.
pub async fn list(db: &Database, provider: Option<&str>) -> Result<Vec<Provider>, DatabaseError> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query_file_as!(Provider, "src/pulse/providers.sql", provider).fetch_all(tx.connection()).await?;
    Ok(rows)
}
