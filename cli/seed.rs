//! What the demo organisation starts with: itself, two products, three clients. Written once; a second time
//! changes nothing.

use hellosales_core::content::client::{self, Client};
use hellosales_core::content::company_profile::{self, CompanyProfile};
use hellosales_core::content::product::{self, Product};
use hellosales_core::{ClientId, Database, DatabaseError, OrgId, ProductId, RunId};
use serde_json::{Map, Value, json};

/// The demo organisation's name.
pub(crate) const ORGANIZATION: &str = "Demo";
/// Its user.
pub(crate) const USER: &str = "Dana";

/// The id of the organisation's `n`-th product, from 0.
pub(crate) fn product_id(org: OrgId, n: u32) -> ProductId {
    ProductId::derived(RunId::from(org.uuid()), "seed product", n)
}

/// The id of the organisation's `n`-th client, from 0.
pub(crate) fn client_id(org: OrgId, n: u32) -> ClientId {
    ClientId::derived(RunId::from(org.uuid()), "seed client", n)
}

/// Writes what isn't there yet; tells whether anything was written. Takes the api's role.
pub(crate) async fn plant(database: &Database, org: OrgId) -> Result<bool, DatabaseError> {
    let mut tx = database.begin().await?;
    let mut inside = tx.enter(org).await?;
    let mut written = company_profile::upsert(&mut inside, &company()).await?;
    for product in [pipeline_tool(org), onboarding(org)] {
        written |= product::insert(&mut inside, &product).await?;
    }
    for client in [retailer(org), manufacturer(org), clinic(org)] {
        written |= client::insert(&mut inside, &client).await?;
    }
    tx.commit().await?;
    Ok(written)
}

/// The company.
pub(crate) fn company() -> CompanyProfile {
    CompanyProfile {
        industry: text("B2B software"),
        company_size: text("50-200"),
        headquarters_city: text("Rotterdam"),
        headquarters_country: text("Netherlands"),
        website: text("https://tidewater.example"),
        target_market: text("Mid-sized companies with a field sales team of 10 to 80 people"),
        primary_products: texts(&["Tidewater Pipeline", "Tidewater Onboarding"]),
        sales_regions: texts(&["Benelux", "DACH", "Nordics"]),
        sales_methodology: text("MEDDIC"),
        main_competitors: texts(&["Spreadsheets", "A CRM that nobody fills in"]),
        competitive_advantages: texts(&[
            "Live in two weeks",
            "Works without a connection",
            "A price per team, not per head",
        ]),
        unique_selling_points: texts(&["Forecasts from what sellers do, not from what they type"]),
        company_description: text(
            "Tidewater makes forecasting software for field sales teams. It reads calendars, calls and visits, and shows \
             a sales lead by Monday morning which deals have gone quiet.",
        ),
        ..CompanyProfile::default()
    }
}

/// Its first product.
pub(crate) fn pipeline_tool(org: OrgId) -> Product {
    Product {
        id: product_id(org, 0),
        name: "Tidewater Pipeline".to_owned(),
        description: text(
            "Forecasting for field sales: it shows which deals have gone quiet, and what to do this week.",
        ),
        category: text("Sales forecasting"),
        key_features: texts(&[
            "Weekly forecast with its reasons",
            "Alerts on quiet deals",
            "Offline visits on the phone",
        ]),
        pricing_info: prices(&json!({"team_of_25": "890 euros a month", "pilot": "30 days, free"})),
        target_audience: text("Heads of sales with 10 to 80 field sellers"),
        competitive_advantages: text("Live in two weeks, and sellers type nothing twice"),
        use_cases: texts(&["Monday forecast meeting", "Rescuing late deals", "Ramping up new sellers"]),
    }
}

fn onboarding(org: OrgId) -> Product {
    Product {
        id: product_id(org, 1),
        name: "Tidewater Onboarding".to_owned(),
        description: text("A four-week programme that brings new field sellers to their first own deal."),
        category: text("Sales enablement"),
        key_features: texts(&[
            "A plan for each day",
            "Recorded calls of your best sellers",
            "A weekly check with the lead",
        ]),
        pricing_info: prices(&json!({"per_seller": "240 euros, once"})),
        target_audience: text("Sales leads who hire more than five sellers a year"),
        competitive_advantages: text("Built on calls of the customer's own team"),
        use_cases: texts(&["A new region", "Seasonal hiring"]),
    }
}

fn retailer(org: OrgId) -> Client {
    Client {
        id: client_id(org, 0),
        external_id: None,
        name: "Ana Ferreira".to_owned(),
        company: text("Lumen Retail"),
        title: text("Head of Field Sales"),
        industry: text("Retail"),
        email: text("ana.ferreira@lumen-retail.example"),
        pain_points: texts(&["Forecasts are off by a third", "Sellers hate the CRM"]),
        goals: texts(&["A forecast that the board believes", "Half the reporting time"]),
        objection_patterns: texts(&["We tried a tool last year, and nobody used it"]),
        communication_style: text("Short, direct, with numbers"),
        decision_criteria: texts(&["Adoption after 30 days", "Time to set up"]),
    }
}

fn manufacturer(org: OrgId) -> Client {
    Client {
        id: client_id(org, 1),
        external_id: None,
        name: "Jonas Weber".to_owned(),
        company: text("Weber Antriebstechnik"),
        title: text("Managing Director"),
        industry: text("Manufacturing"),
        email: text("j.weber@weber-antriebe.example"),
        pain_points: texts(&["Long sales cycles without a next step", "Two sellers retire next year"]),
        goals: texts(&["Keep what the seniors know", "A pipeline that survives holidays"]),
        objection_patterns: texts(&["Our data must stay in Germany", "Too small for such a tool"]),
        communication_style: text("Formal and thorough; wants references"),
        decision_criteria: texts(&["Data protection", "References in the industry"]),
    }
}

fn clinic(org: OrgId) -> Client {
    Client {
        id: client_id(org, 2),
        external_id: None,
        name: "Ingrid Solberg".to_owned(),
        company: text("Nordklinikk"),
        title: text("Director of Partnerships"),
        industry: text("Healthcare"),
        email: text("ingrid.solberg@nordklinikk.example"),
        pain_points: texts(&["Referrals are tracked in mailboxes"]),
        goals: texts(&["See every partner's last contact", "Onboard three new coordinators by spring"]),
        objection_patterns: texts(&["Procurement takes half a year"]),
        communication_style: text("Warm, and curious about how things work"),
        decision_criteria: texts(&["Ease of use", "Support in Norwegian"]),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn prices(prices: &Value) -> Map<String, Value> {
    prices.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_of_an_organisation_have_the_same_ids_each_time_and_no_other_organisations() {
        let (one, other) = (OrgId::new(), OrgId::new());
        assert_eq!(product_id(one, 0), product_id(one, 0));
        assert_ne!(product_id(one, 0), product_id(one, 1));
        assert_ne!(client_id(one, 0), client_id(other, 0));
    }
}
