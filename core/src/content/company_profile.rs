//! What an organisation says of itself: one profile each.

mod facts;

use serde_json::Value;
use sqlx::types::Json;

use crate::database::OrgTx;
use crate::error::DatabaseError;

pub use facts::{CompanyFacts, facts};

/// An organisation's profile, as prompts tell it. What is unknown is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompanyProfile {
    /// Its trade.
    pub industry: Option<String>,
    /// `startup`, `1-10`, `10-50`, `50-200`, `200-1000` or `1000+`.
    pub company_size: Option<String>,
    /// Where it sits.
    pub headquarters_city: Option<String>,
    /// Where it sits.
    pub headquarters_country: Option<String>,
    /// Its site.
    pub website: Option<String>,
    /// Whom it sells to.
    pub target_market: Option<String>,
    /// What it mainly sells.
    pub primary_products: Vec<String>,
    /// Where it sells.
    pub sales_regions: Vec<String>,
    /// How it sells: SPIN, MEDDIC and the like.
    pub sales_methodology: Option<String>,
    /// Whom it sells against.
    pub main_competitors: Vec<String>,
    /// What it does better than they.
    pub competitive_advantages: Vec<String>,
    /// What only it has.
    pub unique_selling_points: Vec<String>,
    /// What it is, in its own words.
    pub company_description: Option<String>,
}

/// The organisation's profile.
///
/// # Errors
/// If the database can't be read.
pub async fn find(tx: &mut OrgTx<'_>) -> Result<Option<CompanyProfile>, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        r#"SELECT industry, company_size, headquarters_city, headquarters_country, website, target_market,
             primary_products AS "primary_products: Json<Value>", sales_regions AS "sales_regions: Json<Value>",
             sales_methodology, main_competitors AS "main_competitors: Json<Value>",
             competitive_advantages AS "competitive_advantages: Json<Value>",
             unique_selling_points AS "unique_selling_points: Json<Value>", company_description
           FROM company_profiles WHERE org_id = $1"#,
        org
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| CompanyProfile {
        industry: row.industry,
        company_size: row.company_size,
        headquarters_city: row.headquarters_city,
        headquarters_country: row.headquarters_country,
        website: row.website,
        target_market: row.target_market,
        primary_products: texts(&row.primary_products.0),
        sales_regions: texts(&row.sales_regions.0),
        sales_methodology: row.sales_methodology,
        main_competitors: texts(&row.main_competitors.0),
        competitive_advantages: texts(&row.competitive_advantages.0),
        unique_selling_points: texts(&row.unique_selling_points.0),
        company_description: row.company_description,
    }))
}

/// Writes the organisation's profile if it has none; tells whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn upsert(tx: &mut OrgTx<'_>, profile: &CompanyProfile) -> Result<bool, DatabaseError> {
    let org = tx.org();
    let done = sqlx::query!(
        "INSERT INTO company_profiles (id, org_id, industry, company_size, headquarters_city, headquarters_country, website,
           target_market, primary_products, sales_regions, sales_methodology, main_competitors, competitive_advantages,
           unique_selling_points, company_description)
         VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT DO NOTHING",
        org.uuid(),
        profile.industry,
        profile.company_size,
        profile.headquarters_city,
        profile.headquarters_country,
        profile.website,
        profile.target_market,
        Json(&profile.primary_products) as _,
        Json(&profile.sales_regions) as _,
        profile.sales_methodology,
        Json(&profile.main_competitors) as _,
        Json(&profile.competitive_advantages) as _,
        Json(&profile.unique_selling_points) as _,
        profile.company_description,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The texts of a JSON list; `{"name": …}` counts as its name, anything else is left out.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().or_else(|| item.get("name").and_then(Value::as_str)))
        .map(str::to_owned)
        .collect()
}
