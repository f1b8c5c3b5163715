//! What an organisation keeps, as sections of a prompt: real fields only, and none that is empty.

mod pricing;

use crate::prompt::Section;
use hellosales_core::content::client::Client;
use hellosales_core::content::company_profile::CompanyProfile;
use hellosales_core::content::product::Product;

/// The organisation.
#[must_use]
pub fn company(name: Option<&str>, profile: Option<&CompanyProfile>) -> Section {
    let section = Section::new("Company").with("Name", name);
    let Some(profile) = profile else { return section };
    let place = [profile.headquarters_city.as_deref(), profile.headquarters_country.as_deref()];
    let place: Vec<&str> = place.into_iter().flatten().collect();
    section
        .with("Description", profile.company_description.as_deref())
        .with("Industry", profile.industry.as_deref())
        .with("Size", profile.company_size.as_deref())
        .with("Headquarters", Some(&place.join(", ")))
        .with("Website", profile.website.as_deref())
        .with("Target market", profile.target_market.as_deref())
        .with_list("Products", &profile.primary_products)
        .with_list("Regions", &profile.sales_regions)
        .with("Sales methodology", profile.sales_methodology.as_deref())
        .with_list("Unique selling points", &profile.unique_selling_points)
        .with_list("Advantages", &profile.competitive_advantages)
        .with_list("Competitors", &profile.main_competitors)
}

/// What is sold.
#[must_use]
pub fn product(product: &Product) -> Section {
    Section::new("Product")
        .with("Name", Some(&product.name))
        .with("Description", product.description.as_deref())
        .with("Category", product.category.as_deref())
        .with_list("Key features", &product.key_features)
        .with_list("Pricing", &pricing::prices(&product.pricing_info))
        .with("Target audience", product.target_audience.as_deref())
        .with("Advantages", product.competitive_advantages.as_deref())
        .with_list("Use cases", &product.use_cases)
}

/// Whom it is sold to; never the email address, which no prompt needs.
#[must_use]
pub fn client(client: &Client) -> Section {
    Section::new("Client")
        .with("Name", Some(&client.name))
        .with("Company", client.company.as_deref())
        .with("Title", client.title.as_deref())
        .with("Industry", client.industry.as_deref())
        .with_list("Pain points", &client.pain_points)
        .with_list("Goals", &client.goals)
        .with_list("Objections", &client.objection_patterns)
        .with_list("Decision criteria", &client.decision_criteria)
        .with("Communication style", client.communication_style.as_deref())
}

#[cfg(test)]
mod tests {
    use hellosales_core::{ClientId, ProductId};
    use serde_json::Map;

    use super::*;

    fn lines(section: &Section) -> Vec<String> {
        section.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect()
    }

    #[test]
    fn a_company_is_told_by_what_is_known_of_it() {
        assert_eq!(lines(&company(Some("Northwind"), None)), ["Name: Northwind"]);
        let profile = CompanyProfile {
            industry: Some("Software".into()),
            headquarters_country: Some("Norway".into()),
            main_competitors: vec!["Acme".into(), "Initech".into()],
            ..CompanyProfile::default()
        };
        let told = ["Industry: Software", "Headquarters: Norway", "Competitors: Acme; Initech"];
        assert_eq!(lines(&company(None, Some(&profile))), told);
    }

    #[test]
    fn a_product_tells_its_prices_in_words() {
        let mut pricing_info = Map::new();
        pricing_info.insert("per_seat".into(), "29 USD".into());
        pricing_info.insert("trial_days".into(), 14.into());
        pricing_info.insert("pro".into(), serde_json::json!({"amount": 99, "currency": "EUR", "per": "month"}));
        let beacon = Product {
            id: ProductId::new(),
            name: "Beacon".into(),
            description: None,
            category: None,
            key_features: vec![],
            pricing_info,
            target_audience: None,
            competitive_advantages: None,
            use_cases: vec![],
        };
        assert_eq!(
            lines(&product(&beacon)),
            ["Name: Beacon", "Pricing: per seat 29 USD; pro: 99 EUR per month; trial days 14"]
        );
    }

    #[test]
    fn a_clients_email_address_is_never_told() {
        let ana = Client {
            id: ClientId::new(),
            external_id: None,
            name: "Ana".into(),
            company: None,
            title: Some("CTO".into()),
            industry: None,
            email: Some("canary@example.com".into()),
            pain_points: vec![],
            goals: vec![],
            objection_patterns: vec![],
            communication_style: None,
            decision_criteria: vec![],
        };
        assert_eq!(lines(&client(&ana)), ["Name: Ana", "Title: CTO"]);
    }
}
