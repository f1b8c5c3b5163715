//! A product as a text is written from it: what is known, and the digest of it.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Product, texts};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::ProductId;

/// A product, and the digest by which it is known later whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductFacts {
    /// The product.
    pub product: Product,
    /// The row's `facts_digest`.
    pub digest: String,
}

/// Products by id, be they active or not; those that are there, in any order.
///
/// # Errors
/// If the database can't be read.
pub async fn facts(tx: &mut OrgTx<'_>, ids: &[ProductId]) -> Result<Vec<ProductFacts>, DatabaseError> {
    let org = tx.org().uuid();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT id AS "id: ProductId", name, description, category, key_features AS "key_features: Json<Value>",
             pricing_info AS "pricing_info: Json<Value>", target_audience, competitive_advantages,
             use_cases AS "use_cases: Json<Value>", facts_digest
           FROM products WHERE id = ANY ($1) AND org_id = $2"#,
        &ids,
        org
    )
    .fetch_all(tx.connection())
    .await?;
    let facts = rows.into_iter().map(|row| ProductFacts {
        product: Product {
            id: row.id,
            name: row.name,
            description: row.description,
            category: row.category,
            key_features: texts(&row.key_features.0),
            pricing_info: row.pricing_info.0.as_object().cloned().unwrap_or_default(),
            target_audience: row.target_audience,
            competitive_advantages: row.competitive_advantages,
            use_cases: texts(&row.use_cases.0),
        },
        digest: row.facts_digest,
    });
    Ok(facts.collect())
}
