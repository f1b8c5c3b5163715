//! What a company profile is changed to.

use hellosales_core::content::company_profile::CompanyProfile;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::extract::{Fields, Given, ReadBody};

const SIZES: [(&str, &str); 6] = [
    ("startup", "startup"),
    ("1-10", "1-10"),
    ("10-50", "10-50"),
    ("50-200", "50-200"),
    ("200-1000", "200-1000"),
    ("1000+", "1000+"),
];
const STAGES: [(&str, &str); 4] =
    [("early", "early"), ("growing", "growing"), ("mature", "mature"), ("enterprise", "enterprise")];

/// What is to change; what is left out stays (PATCH) or is cleared (PUT), and null clears.
#[derive(Debug, ToSchema)]
#[schema(as = CompanyProfileChange)]
pub(crate) struct ProfileBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"\S")]
    industry: Given<String>,
    #[schema(value_type = Option<String>, pattern = r"^(startup|1-10|10-50|50-200|200-1000|1000\+)$")]
    company_size: Given<&'static str>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"\S")]
    headquarters_city: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"\S")]
    headquarters_country: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    website: Given<String>,
    #[schema(value_type = Option<i32>, minimum = 0)]
    sales_team_size: Given<i32>,
    #[schema(value_type = Option<i32>, minimum = 0)]
    average_deal_size_usd: Given<i32>,
    #[schema(value_type = Option<i32>, minimum = 0)]
    sales_cycle_days: Given<i32>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    target_market: Given<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    market_segments: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    primary_products: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    sales_regions: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    deal_types: Given<Vec<String>>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"\S")]
    sales_methodology: Given<String>,
    #[schema(value_type = Option<String>, pattern = r"^(early|growing|mature|enterprise)$")]
    sales_stage: Given<&'static str>,
    #[schema(value_type = Option<Object>)]
    typical_buying_cycle: Given<Map<String, Value>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    main_competitors: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    competitive_advantages: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    unique_selling_points: Given<Vec<String>>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    company_description: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    notes: Given<String>,
}

impl ReadBody for ProfileBody {
    const KNOWN: &'static [&'static str] = &[
        "industry",
        "company_size",
        "headquarters_city",
        "headquarters_country",
        "website",
        "sales_team_size",
        "average_deal_size_usd",
        "sales_cycle_days",
        "target_market",
        "market_segments",
        "primary_products",
        "sales_regions",
        "deal_types",
        "sales_methodology",
        "sales_stage",
        "typical_buying_cycle",
        "main_competitors",
        "competitive_advantages",
        "unique_selling_points",
        "company_description",
        "notes",
    ];

    fn read(fields: &mut Fields) -> Self {
        Self {
            industry: fields.text("industry", 1..=100),
            company_size: fields.word("company_size", &SIZES),
            headquarters_city: fields.text("headquarters_city", 1..=100),
            headquarters_country: fields.text("headquarters_country", 1..=100),
            website: fields.website("website"),
            sales_team_size: fields.count("sales_team_size"),
            average_deal_size_usd: fields.count("average_deal_size_usd"),
            sales_cycle_days: fields.count("sales_cycle_days"),
            target_market: fields.prose("target_market"),
            market_segments: fields.texts("market_segments"),
            primary_products: fields.texts("primary_products"),
            sales_regions: fields.texts("sales_regions"),
            deal_types: fields.texts("deal_types"),
            sales_methodology: fields.text("sales_methodology", 1..=100),
            sales_stage: fields.word("sales_stage", &STAGES),
            typical_buying_cycle: fields.data("typical_buying_cycle"),
            main_competitors: fields.texts("main_competitors"),
            competitive_advantages: fields.texts("competitive_advantages"),
            unique_selling_points: fields.texts("unique_selling_points"),
            company_description: fields.prose("company_description"),
            notes: fields.prose("notes"),
        }
    }
}

impl ProfileBody {
    /// What becomes of a profile.
    pub(super) fn apply(self, profile: CompanyProfile) -> CompanyProfile {
        CompanyProfile {
            industry: self.industry.change().unwrap_or(profile.industry),
            company_size: self.company_size.change().map_or(profile.company_size, |word| word.map(str::to_owned)),
            headquarters_city: self.headquarters_city.change().unwrap_or(profile.headquarters_city),
            headquarters_country: self.headquarters_country.change().unwrap_or(profile.headquarters_country),
            website: self.website.change().unwrap_or(profile.website),
            sales_team_size: self.sales_team_size.change().unwrap_or(profile.sales_team_size),
            average_deal_size_usd: self.average_deal_size_usd.change().unwrap_or(profile.average_deal_size_usd),
            sales_cycle_days: self.sales_cycle_days.change().unwrap_or(profile.sales_cycle_days),
            target_market: self.target_market.change().unwrap_or(profile.target_market),
            market_segments: self.market_segments.change().map_or(profile.market_segments, Option::unwrap_or_default),
            primary_products: self
                .primary_products
                .change()
                .map_or(profile.primary_products, Option::unwrap_or_default),
            sales_regions: self.sales_regions.change().map_or(profile.sales_regions, Option::unwrap_or_default),
            deal_types: self.deal_types.change().map_or(profile.deal_types, Option::unwrap_or_default),
            sales_methodology: self.sales_methodology.change().unwrap_or(profile.sales_methodology),
            sales_stage: self.sales_stage.change().map_or(profile.sales_stage, |word| word.map(str::to_owned)),
            typical_buying_cycle: self
                .typical_buying_cycle
                .change()
                .map_or(profile.typical_buying_cycle, Option::unwrap_or_default),
            main_competitors: self
                .main_competitors
                .change()
                .map_or(profile.main_competitors, Option::unwrap_or_default),
            competitive_advantages: self
                .competitive_advantages
                .change()
                .map_or(profile.competitive_advantages, Option::unwrap_or_default),
            unique_selling_points: self
                .unique_selling_points
                .change()
                .map_or(profile.unique_selling_points, Option::unwrap_or_default),
            company_description: self.company_description.change().unwrap_or(profile.company_description),
            notes: self.notes.change().unwrap_or(profile.notes),
        }
    }
}
