//! What a thing is called that nobody gave a name.

use super::{Asked, KnownClient, KnownProduct};
use crate::prompt::one_line;

/// The longest name that the database takes.
const MAX_CHARS: usize = 255;
/// Of a person's, a company's or a product's name, so much: together they fit.
const MAX_PART_CHARS: usize = 90;

/// The name that was asked for; else one that tells it from its neighbours in a list.
pub(super) fn of(asked: &Asked<'_>, product: Option<&KnownProduct>, client: Option<&KnownClient>) -> String {
    let part = |text: &str| one_line(text, MAX_PART_CHARS);
    if let Some(name) = asked.name.map(|name| one_line(name, MAX_CHARS)).filter(|name| !name.is_empty()) {
        return name;
    }
    let title = asked.title;
    match (client, product) {
        (Some(client), _) => match client.company.as_deref().map(part).filter(|company| !company.is_empty()) {
            Some(company) => format!("{title} for {} ({company})", part(&client.name)),
            None => format!("{title} for {}", part(&client.name)),
        },
        (None, Some(product)) => format!("{title} about {}", part(&product.name)),
        (None, None) => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Section;

    fn asked(name: Option<&str>) -> Asked<'_> {
        Asked {
            kind: "follow_up",
            title: "Follow-up",
            product_id: None,
            client_id: None,
            session_id: None,
            instructions: None,
            name,
            description: None,
            is_anew: false,
        }
    }

    fn client(name: &str, company: Option<&str>) -> KnownClient {
        let company = company.map(str::to_owned);
        KnownClient { name: name.into(), company, section: Section::new("Client"), digest: String::new() }
    }

    fn beacon() -> KnownProduct {
        KnownProduct { name: "Beacon".into(), section: Section::new("Product"), digest: String::new() }
    }

    #[test]
    fn a_name_says_what_it_is_and_for_whom() {
        let ana = client("Ana Silva", Some("Acme"));
        assert_eq!(of(&asked(None), Some(&beacon()), Some(&ana)), "Follow-up for Ana Silva (Acme)");
        assert_eq!(of(&asked(None), None, Some(&client("Ana", Some(" ")))), "Follow-up for Ana");
        assert_eq!(of(&asked(None), Some(&beacon()), None), "Follow-up about Beacon");
        assert_eq!(of(&asked(None), None, None), "Follow-up");
    }

    #[test]
    fn the_users_own_name_stands_and_every_name_fits() {
        let ana = client(&"🦉".repeat(255), Some(&"é".repeat(255)));
        assert_eq!(of(&asked(Some("Q3 \n push")), None, Some(&ana)), "Q3 push");
        assert!(of(&asked(Some("  ")), None, Some(&ana)).starts_with("Follow-up for 🦉"));
        assert!(of(&asked(None), None, Some(&ana)).chars().count() <= 255);
        assert_eq!(of(&asked(Some(&"x".repeat(256))), None, None).chars().count(), 255);
    }
}
