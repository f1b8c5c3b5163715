//! What an organisation says of itself: one profile each.

mod facts;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::kept::texts;
use crate::database::OrgTx;
use crate::error::DatabaseError;

pub use facts::{CompanyFacts, facts};

/// An organisation's profile. What is unknown is `None` or empty.
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
    /// How many sell.
    pub sales_team_size: Option<i32>,
    /// What a deal is worth, in US dollars.
    pub average_deal_size_usd: Option<i32>,
    /// How long it takes to sell.
    pub sales_cycle_days: Option<i32>,
    /// Whom it sells to.
    pub target_market: Option<String>,
    /// Whom it sells to, by kind: SMB, Enterprise and the like.
    pub market_segments: Vec<String>,
    /// What it mainly sells.
    pub primary_products: Vec<String>,
    /// Where it sells.
    pub sales_regions: Vec<String>,
    /// How deals come about: outbound, inbound, renewal and the like.
    pub deal_types: Vec<String>,
    /// How it sells: SPIN, MEDDIC and the like.
    pub sales_methodology: Option<String>,
    /// How far its selling is: `early`, `growing`, `mature` or `enterprise`.
    pub sales_stage: Option<String>,
    /// The stages in which its customers buy.
    pub typical_buying_cycle: Map<String, Value>,
    /// Whom it sells against.
    pub main_competitors: Vec<String>,
    /// What it does better than they.
    pub competitive_advantages: Vec<String>,
    /// What only it has.
    pub unique_selling_points: Vec<String>,
    /// What it is, in its own words.
    pub company_description: Option<String>,
    /// For its own people.
    pub notes: Option<String>,
}

/// A profile as it is kept. Every organisation has one: it is empty, and of version 0, until it is first written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptProfile {
    /// What it says.
    pub profile: CompanyProfile,
    /// Grows with each change; 0 if it was never written.
    pub version: i32,
    /// When it was first written.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    pub updated_at: Option<DateTime<Utc>>,
}

struct Row {
    industry: Option<String>,
    company_size: Option<String>,
    headquarters_city: Option<String>,
    headquarters_country: Option<String>,
    website: Option<String>,
    sales_team_size: Option<i32>,
    average_deal_size_usd: Option<i32>,
    sales_cycle_days: Option<i32>,
    target_market: Option<String>,
    market_segments: Json<Value>,
    primary_products: Json<Value>,
    sales_regions: Json<Value>,
    deal_types: Json<Value>,
    sales_methodology: Option<String>,
    sales_stage: Option<String>,
    typical_buying_cycle: Json<Value>,
    main_competitors: Json<Value>,
    competitive_advantages: Json<Value>,
    unique_selling_points: Json<Value>,
    company_description: Option<String>,
    notes: Option<String>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for KeptProfile {
    fn from(row: Row) -> Self {
        let profile = CompanyProfile {
            industry: row.industry,
            company_size: row.company_size,
            headquarters_city: row.headquarters_city,
            headquarters_country: row.headquarters_country,
            website: row.website,
            sales_team_size: row.sales_team_size,
            average_deal_size_usd: row.average_deal_size_usd,
            sales_cycle_days: row.sales_cycle_days,
            target_market: row.target_market,
            market_segments: texts(&row.market_segments.0),
            primary_products: texts(&row.primary_products.0),
            sales_regions: texts(&row.sales_regions.0),
            deal_types: texts(&row.deal_types.0),
            sales_methodology: row.sales_methodology,
            sales_stage: row.sales_stage,
            typical_buying_cycle: row.typical_buying_cycle.0.as_object().cloned().unwrap_or_default(),
            main_competitors: texts(&row.main_competitors.0),
            competitive_advantages: texts(&row.competitive_advantages.0),
            unique_selling_points: texts(&row.unique_selling_points.0),
            company_description: row.company_description,
            notes: row.notes,
        };
        Self { profile, version: row.version, created_at: Some(row.created_at), updated_at: Some(row.updated_at) }
    }
}

/// One statement's columns, with and without the lock.
macro_rules! select {
    (@ $tail:tt, $org:expr) => {
        sqlx::query_as!(
            Row,
            r#"SELECT industry, company_size, headquarters_city, headquarters_country, website, sales_team_size,
                 average_deal_size_usd, sales_cycle_days, target_market, market_segments AS "market_segments: Json<Value>",
                 primary_products AS "primary_products: Json<Value>", sales_regions AS "sales_regions: Json<Value>",
                 deal_types AS "deal_types: Json<Value>", sales_methodology, sales_stage,
                 typical_buying_cycle AS "typical_buying_cycle: Json<Value>", main_competitors AS "main_competitors: Json<Value>",
                 competitive_advantages AS "competitive_advantages: Json<Value>",
                 unique_selling_points AS "unique_selling_points: Json<Value>", company_description, notes, version,
                 created_at, updated_at
               FROM company_profiles WHERE org_id = $1"#
                + $tail,
            $org
        )
    };
    ($($all:tt)+) => {
        select!(@ $($all)+)
    };
}

/// The organisation's profile, if it was ever written.
///
/// # Errors
/// If the database can't be read.
pub async fn find(tx: &mut OrgTx<'_>) -> Result<Option<CompanyProfile>, DatabaseError> {
    let row = select!("", tx.org().uuid()).fetch_optional(tx.connection()).await?;
    Ok(row.map(|row| KeptProfile::from(row).profile))
}

/// The organisation's profile as it is kept.
///
/// # Errors
/// If the database can't be read.
pub async fn get(tx: &mut OrgTx<'_>) -> Result<KeptProfile, DatabaseError> {
    let row = select!("", tx.org().uuid()).fetch_optional(tx.connection()).await?;
    Ok(row.map(KeptProfile::from).unwrap_or_default())
}

/// The same, and its lock, if it was ever written.
///
/// # Errors
/// If the database can't be read, or the lock isn't to be had in time.
pub async fn lock(tx: &mut OrgTx<'_>) -> Result<KeptProfile, DatabaseError> {
    let row = select!(" FOR NO KEY UPDATE", tx.org().uuid()).fetch_optional(tx.connection()).await?;
    Ok(row.map(KeptProfile::from).unwrap_or_default())
}

/// Writes the organisation's profile if it has none; tells whether it did. Waits for whoever writes the first one at
/// the same time.
///
/// # Errors
/// If the database refuses.
pub async fn upsert(tx: &mut OrgTx<'_>, profile: &CompanyProfile) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let done = sqlx::query!(
        "INSERT INTO company_profiles (id, org_id, industry, company_size, headquarters_city, headquarters_country, website,
           sales_team_size, average_deal_size_usd, sales_cycle_days, target_market, market_segments, primary_products,
           sales_regions, deal_types, sales_methodology, sales_stage, typical_buying_cycle, main_competitors,
           competitive_advantages, unique_selling_points, company_description, notes, created_at, updated_at)
         SELECT $1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, t, t
         FROM clock_timestamp() t
         ON CONFLICT DO NOTHING",
        org,
        profile.industry,
        profile.company_size,
        profile.headquarters_city,
        profile.headquarters_country,
        profile.website,
        profile.sales_team_size,
        profile.average_deal_size_usd,
        profile.sales_cycle_days,
        profile.target_market,
        Json(&profile.market_segments) as _,
        Json(&profile.primary_products) as _,
        Json(&profile.sales_regions) as _,
        Json(&profile.deal_types) as _,
        profile.sales_methodology,
        profile.sales_stage,
        Json(&profile.typical_buying_cycle) as _,
        Json(&profile.main_competitors) as _,
        Json(&profile.competitive_advantages) as _,
        Json(&profile.unique_selling_points) as _,
        profile.company_description,
        profile.notes,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes what a locked profile is from now on, under this version.
///
/// # Errors
/// If the database refuses.
pub async fn save(tx: &mut OrgTx<'_>, profile: &CompanyProfile, version: i32) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE company_profiles SET industry = $2, company_size = $3, headquarters_city = $4, headquarters_country = $5,
           website = $6, sales_team_size = $7, average_deal_size_usd = $8, sales_cycle_days = $9, target_market = $10,
           market_segments = $11, primary_products = $12, sales_regions = $13, deal_types = $14, sales_methodology = $15,
           sales_stage = $16, typical_buying_cycle = $17, main_competitors = $18, competitive_advantages = $19,
           unique_selling_points = $20, company_description = $21, notes = $22,
           version = $23, updated_at = clock_timestamp()
         WHERE org_id = $1",
        org,
        profile.industry,
        profile.company_size,
        profile.headquarters_city,
        profile.headquarters_country,
        profile.website,
        profile.sales_team_size,
        profile.average_deal_size_usd,
        profile.sales_cycle_days,
        profile.target_market,
        Json(&profile.market_segments) as _,
        Json(&profile.primary_products) as _,
        Json(&profile.sales_regions) as _,
        Json(&profile.deal_types) as _,
        profile.sales_methodology,
        profile.sales_stage,
        Json(&profile.typical_buying_cycle) as _,
        Json(&profile.main_competitors) as _,
        Json(&profile.competitive_advantages) as _,
        Json(&profile.unique_selling_points) as _,
        profile.company_description,
        profile.notes,
        version,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
