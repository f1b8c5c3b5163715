//! `product`.

use chrono::{DateTime, Utc};
use hellosales_core::content::kept::Kept;
use hellosales_core::content::product::Product;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is sold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductObject {
    #[schema(example = "product")]
    pub object: &'static str,
    pub id: Uuid,
    /// Grows with each change.
    pub version: i32,
    pub name: String,
    pub description: Option<String>,
    pub category: Option<String>,
    pub key_features: Vec<String>,
    #[schema(value_type = Object)]
    pub pricing_info: Map<String, Value>,
    pub target_audience: Option<String>,
    pub competitive_advantages: Option<String>,
    pub use_cases: Vec<String>,
    /// False of one that was put away.
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl From<Kept<Product>> for ProductObject {
    fn from(row: Kept<Product>) -> Self {
        let product = row.content;
        Self {
            object: "product",
            id: product.id.uuid(),
            version: row.version,
            name: product.name,
            description: product.description,
            category: product.category,
            key_features: product.key_features,
            pricing_info: product.pricing_info,
            target_audience: product.target_audience,
            competitive_advantages: product.competitive_advantages,
            use_cases: product.use_cases,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
