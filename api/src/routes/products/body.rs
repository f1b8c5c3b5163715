//! What makes and changes a product.

use hellosales_core::ProductId;
use hellosales_core::content::product::Product;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::extract::{Fields, Given, Made, ReadBody};

/// What is to change; what is left out stays, and null clears.
#[derive(Debug, ToSchema)]
#[schema(as = ProductChange)]
pub(crate) struct ProductBody {
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255, pattern = r"\S")]
    name: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    description: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"\S")]
    category: Given<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    key_features: Given<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    pricing_info: Given<Map<String, Value>>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    target_audience: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    competitive_advantages: Given<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    use_cases: Given<Vec<String>>,
    #[schema(value_type = bool, required = false)]
    is_active: Given<bool>,
}

impl ReadBody for ProductBody {
    const KNOWN: &'static [&'static str] = &[
        "name",
        "description",
        "category",
        "key_features",
        "pricing_info",
        "target_audience",
        "competitive_advantages",
        "use_cases",
        "is_active",
    ];

    fn read(fields: &mut Fields) -> Self {
        let name = fields.text("name", 1..=255);
        let is_active = fields.flag("is_active");
        Self {
            name: fields.not_null("name", name),
            description: fields.prose("description"),
            category: fields.text("category", 1..=100),
            key_features: fields.texts("key_features"),
            pricing_info: fields.data("pricing_info"),
            target_audience: fields.prose("target_audience"),
            competitive_advantages: fields.prose("competitive_advantages"),
            use_cases: fields.texts("use_cases"),
            is_active: fields.not_null("is_active", is_active),
        }
    }
}

impl Made for ProductBody {
    const REQUIRED: &'static [&'static str] = &["name"];
    const NAME: &'static str = "NewProduct";
}

impl ProductBody {
    /// The change that puts one away.
    pub(super) fn away() -> Self {
        Self {
            name: Given::Absent,
            description: Given::Absent,
            category: Given::Absent,
            key_features: Given::Absent,
            pricing_info: Given::Absent,
            target_audience: Given::Absent,
            competitive_advantages: Given::Absent,
            use_cases: Given::Absent,
            is_active: Given::Value(false),
        }
    }

    /// Whether it is shown from now on.
    pub(super) fn is_active(&self, is_active: bool) -> bool {
        if let Given::Value(is_active) = self.is_active { is_active } else { is_active }
    }

    /// A new one.
    pub(super) fn make(self, id: ProductId) -> Product {
        self.apply(Product {
            id,
            name: String::new(),
            description: None,
            category: None,
            key_features: Vec::new(),
            pricing_info: Map::new(),
            target_audience: None,
            competitive_advantages: None,
            use_cases: Vec::new(),
        })
    }

    /// What becomes of one.
    pub(super) fn apply(self, product: Product) -> Product {
        Product {
            id: product.id,
            name: self.name.value().unwrap_or(product.name),
            description: self.description.change().unwrap_or(product.description),
            category: self.category.change().unwrap_or(product.category),
            key_features: self.key_features.change().map_or(product.key_features, Option::unwrap_or_default),
            pricing_info: self.pricing_info.change().map_or(product.pricing_info, Option::unwrap_or_default),
            target_audience: self.target_audience.change().unwrap_or(product.target_audience),
            competitive_advantages: self.competitive_advantages.change().unwrap_or(product.competitive_advantages),
            use_cases: self.use_cases.change().map_or(product.use_cases, Option::unwrap_or_default),
        }
    }
}
