//! `company_profile`.

use chrono::{DateTime, Utc};
use hellosales_core::OrgId;
use hellosales_core::content::company_profile::KeptProfile;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an organisation says of itself: one each, and empty, of version 0, until it is first written.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CompanyProfile)]
pub(crate) struct CompanyProfileObject {
    #[schema(example = "company_profile")]
    pub object: &'static str,
    /// The organisation's.
    pub id: Uuid,
    /// Grows with each change; 0 if it was never written.
    pub version: i32,
    pub industry: Option<String>,
    /// `startup`, `1-10`, `10-50`, `50-200`, `200-1000` or `1000+`.
    pub company_size: Option<String>,
    pub headquarters_city: Option<String>,
    pub headquarters_country: Option<String>,
    pub website: Option<String>,
    pub sales_team_size: Option<i32>,
    pub average_deal_size_usd: Option<i32>,
    pub sales_cycle_days: Option<i32>,
    pub target_market: Option<String>,
    pub market_segments: Vec<String>,
    pub primary_products: Vec<String>,
    pub sales_regions: Vec<String>,
    pub deal_types: Vec<String>,
    pub sales_methodology: Option<String>,
    /// `early`, `growing`, `mature` or `enterprise`.
    pub sales_stage: Option<String>,
    #[schema(value_type = Object)]
    pub typical_buying_cycle: Map<String, Value>,
    pub main_competitors: Vec<String>,
    pub competitive_advantages: Vec<String>,
    pub unique_selling_points: Vec<String>,
    pub company_description: Option<String>,
    pub notes: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl CompanyProfileObject {
    /// The profile of this organisation.
    pub(crate) fn of(org: OrgId, kept: KeptProfile) -> Self {
        let profile = kept.profile;
        Self {
            object: "company_profile",
            id: org.uuid(),
            version: kept.version,
            industry: profile.industry,
            company_size: profile.company_size,
            headquarters_city: profile.headquarters_city,
            headquarters_country: profile.headquarters_country,
            website: profile.website,
            sales_team_size: profile.sales_team_size,
            average_deal_size_usd: profile.average_deal_size_usd,
            sales_cycle_days: profile.sales_cycle_days,
            target_market: profile.target_market,
            market_segments: profile.market_segments,
            primary_products: profile.primary_products,
            sales_regions: profile.sales_regions,
            deal_types: profile.deal_types,
            sales_methodology: profile.sales_methodology,
            sales_stage: profile.sales_stage,
            typical_buying_cycle: profile.typical_buying_cycle,
            main_competitors: profile.main_competitors,
            competitive_advantages: profile.competitive_advantages,
            unique_selling_points: profile.unique_selling_points,
            company_description: profile.company_description,
            notes: profile.notes,
            created_at: kept.created_at,
            updated_at: kept.updated_at,
        }
    }
}
