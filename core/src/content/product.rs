//! What an organisation sells.

mod facts;

use serde_json::{Map, Value};
use sqlx::types::Json;

use super::company_profile::texts;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ProductId, SessionId};

pub use facts::{ProductFacts, facts};

/// A product, as prompts tell it. What is unknown is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// What kind of thing it is.
    pub category: Option<String>,
    /// What it does.
    pub key_features: Vec<String>,
    /// What it costs, by name.
    pub pricing_info: Map<String, Value>,
    /// Whom it is for.
    pub target_audience: Option<String>,
    /// What it does better than others.
    pub competitive_advantages: Option<String>,
    /// What it is used for.
    pub use_cases: Vec<String>,
}

/// The product that a session is about.
///
/// # Errors
/// If the database can't be read.
pub async fn of_session(tx: &mut OrgTx<'_>, session: SessionId) -> Result<Option<Product>, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        r#"SELECT p.id AS "id: ProductId", p.name, p.description, p.category, p.key_features AS "key_features: Json<Value>",
             p.pricing_info AS "pricing_info: Json<Value>", p.target_audience, p.competitive_advantages,
             p.use_cases AS "use_cases: Json<Value>"
           FROM sessions s JOIN products p ON p.org_id = s.org_id AND p.id = s.product_id
           WHERE s.id = $1 AND s.org_id = $2"#,
        session.uuid(),
        org
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Product {
        id: row.id,
        name: row.name,
        description: row.description,
        category: row.category,
        key_features: texts(&row.key_features.0),
        pricing_info: row.pricing_info.0.as_object().cloned().unwrap_or_default(),
        target_audience: row.target_audience,
        competitive_advantages: row.competitive_advantages,
        use_cases: texts(&row.use_cases.0),
    }))
}

/// Writes a product unless its id is there; tells whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn insert(tx: &mut OrgTx<'_>, product: &Product) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let done = sqlx::query!(
        "INSERT INTO products (id, org_id, name, description, category, key_features, pricing_info, target_audience,
           competitive_advantages, use_cases)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (id) DO NOTHING",
        product.id.uuid(),
        org,
        product.name,
        product.description,
        product.category,
        Json(&product.key_features) as _,
        Json(&product.pricing_info) as _,
        product.target_audience,
        product.competitive_advantages,
        Json(&product.use_cases) as _,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}
