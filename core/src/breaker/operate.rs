//! By hand: a breaker is tripped, and so a provider paused, or reset.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Breaker, Key, take_effect, wake};
use crate::audit::{self, Entry};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::queue::promote;

/// Which breakers of models that answer in text.
#[derive(Debug, Clone)]
pub struct Which {
    /// Of this provider.
    pub provider: String,
    /// Of this model only.
    pub model: Option<String>,
}

/// Who wants it, and why.
#[derive(Debug, Clone)]
pub struct Order {
    /// `operator:<name>` or `user:<id>`.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Opens the provider's breakers: nobody calls it before `until`, when a probe may go, or without one before somebody resets
/// them. A model that was named is opened also if nobody has called it yet. Returns which.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn trip(
    db: &Database,
    which: &Which,
    order: &Order,
    until: Option<DateTime<Utc>>,
) -> Result<Vec<Key>, DatabaseError> {
    let mut tx = db.begin().await?;
    if let Some(model) = &which.model {
        let key = Key::llm(&which.provider, model);
        sqlx::query!(
            "INSERT INTO breakers (operation, provider, model) VALUES ('llm', $1, $2) ON CONFLICT DO NOTHING",
            key.provider,
            key.model
        )
        .execute(tx.connection())
        .await?;
    }
    let models = lock(&mut tx, which).await?;
    for model in &models {
        // Who has tripped it stands in its event, which goes on if it was open already.
        sqlx::query!(
            "UPDATE breakers SET status = 'open', until = $3, actor = $4, reason = $5, probe = NULL, probe_until = NULL
             WHERE operation = 'llm' AND provider = $1 AND model = $2",
            which.provider,
            model,
            until,
            order.actor,
            order.reason,
        )
        .execute(tx.connection())
        .await?;
        record(&mut tx, which, model, order, ("provider.trip", json!({ "until": until }))).await?;
    }
    tx.commit().await?;
    take_effect(db).await?;
    wake(db).await?;
    Ok(keys(which, models))
}

/// Closes the provider's open breakers, and lifts the pauses that its 429s have set; what has failed before is forgotten. Returns
/// the models that were shut.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn reset(db: &Database, which: &Which, order: &Order) -> Result<Vec<Key>, DatabaseError> {
    let mut tx = db.begin().await?;
    lock(&mut tx, which).await?;
    let mut models = sqlx::query_scalar!(
        "WITH b AS (
           UPDATE breakers SET status = 'closed', until = NULL, effective_at = NULL, probe = NULL, probe_until = NULL, actor = NULL,
             reason = NULL, closed_at = clock_timestamp()
           WHERE operation = 'llm' AND provider = $1 AND ($2::text IS NULL OR model = $2) AND status = 'open'
           RETURNING operation, provider, model),
         e AS (
           UPDATE breaker_events e SET closed_at = greatest(now(), e.opened_at) FROM b
           WHERE e.operation = b.operation AND e.provider = b.provider AND e.model = b.model AND e.closed_at IS NULL)
         SELECT model FROM b ORDER BY model",
        which.provider,
        which.model,
    )
    .fetch_all(tx.connection())
    .await?;
    models.extend(lift(&mut tx, which).await?);
    models.sort_unstable();
    models.dedup();
    for model in &models {
        record(&mut tx, which, model, order, ("provider.reset", json!({}))).await?;
    }
    tx.commit().await?;
    wake(db).await?;
    promote::bring_forward(db, &which.provider).await?;
    Ok(keys(which, models))
}

/// Ends the pauses of a provider's models.
async fn lift(tx: &mut Tx, which: &Which) -> Result<Vec<String>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        "UPDATE limits SET paused_until = NULL WHERE provider = $1 AND ($2::text IS NULL OR model = $2)
           AND paused_until > now() RETURNING model",
        which.provider,
        which.model,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// The breakers, for operators, that are meant.
///
/// # Errors
/// If the database can't be read.
pub async fn find(db: &Database, which: &Which) -> Result<Vec<Breaker>, DatabaseError> {
    let mut all = super::list(db).await?;
    let is_meant = |breaker: &Breaker| {
        breaker.provider == which.provider && which.model.as_ref().is_none_or(|model| *model == breaker.model)
    };
    all.retain(is_meant);
    Ok(all)
}

async fn lock(tx: &mut Tx, which: &Which) -> Result<Vec<String>, DatabaseError> {
    let models = sqlx::query_scalar!(
        "SELECT model FROM breakers WHERE operation = 'llm' AND provider = $1 AND ($2::text IS NULL OR model = $2)
         ORDER BY model FOR NO KEY UPDATE",
        which.provider,
        which.model,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(models)
}

async fn record(
    tx: &mut Tx,
    which: &Which,
    model: &str,
    order: &Order,
    (action, details): (&str, serde_json::Value),
) -> Result<(), DatabaseError> {
    let entry = Entry {
        org_id: None,
        actor: &order.actor,
        action,
        target_type: "provider",
        target_id: &format!("{}/{model}", which.provider),
        reason: Some(&order.reason),
        details,
    };
    audit::record(tx.connection(), &entry).await
}

fn keys(which: &Which, models: Vec<String>) -> Vec<Key> {
    models.into_iter().map(|model| Key { operation: "llm", provider: which.provider.clone(), model }).collect()
}
