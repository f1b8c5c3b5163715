//! Members that content has: lists of texts, data of the client's own, addresses.

use hellosales_core::content::client::{is_domain, is_email_address};
use serde_json::{Map, Value};

use super::{Fields, Given};

/// The most items of a list of texts.
pub(crate) const MAX_ITEMS: usize = 50;
/// The most characters of one of them.
pub(crate) const MAX_ITEM_CHARS: usize = 500;
/// The most bytes of data of the client's own.
pub(crate) const MAX_DATA_BYTES: usize = 16 * 1024;
/// How deep it may be nested.
pub(crate) const MAX_DATA_DEPTH: usize = 8;
/// The most characters of a long text.
pub(crate) const MAX_TEXT_CHARS: usize = 10_000;

const MAX_ADDRESS_CHARS: usize = 255;
const MAX_WEBSITE_CHARS: usize = 2_000;

impl Fields {
    /// Refuses a body without these members.
    pub(crate) fn demand(&mut self, names: &[&str]) {
        for name in names {
            if !self.members.contains_key(*name) {
                self.misshapen(name, "required", "is required");
            }
        }
    }

    /// A long text, not blank.
    pub(crate) fn prose(&mut self, name: &str) -> Given<String> {
        self.text(name, 1..=MAX_TEXT_CHARS)
    }

    /// A count that fits its column.
    pub(crate) fn count(&mut self, name: &str) -> Given<i32> {
        match self.integer(name, 0..=i32::MAX.unsigned_abs()) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(count) => i32::try_from(count).map_or(Given::Absent, Given::Value),
        }
    }

    /// A list of texts, none of them blank.
    pub(crate) fn texts(&mut self, name: &str) -> Given<Vec<String>> {
        self.texts_within(name, MAX_ITEMS, MAX_ITEM_CHARS)
    }

    /// A list of at most so many texts of at most so many characters, none of them blank.
    pub(crate) fn texts_within(&mut self, name: &str, most: usize, chars: usize) -> Given<Vec<String>> {
        let items = match self.take(name, "a list", |value| match value {
            Value::Array(items) => Some(items),
            _ => None,
        }) {
            Given::Absent => return Given::Absent,
            Given::Null => return Given::Null,
            Given::Value(items) => items,
        };
        if items.len() > most {
            self.fault(name, "too_many", format!("must have at most {most} items"));
            return Given::Absent;
        }
        let mut texts = Vec::with_capacity(items.len());
        for (n, item) in items.into_iter().enumerate() {
            let place = format!("{name}/{n}");
            let Value::String(text) = item else {
                self.misshapen(&place, "wrong_type", "must be a string");
                continue;
            };
            self.check_text(&place, &text, chars);
            texts.push(text);
        }
        Given::Value(texts)
    }

    /// Faults of a text that stands in another member.
    pub(super) fn check_text(&mut self, place: &str, text: &str, chars: usize) {
        if text.trim().is_empty() {
            self.fault(place, "blank", "must not be blank");
        } else if text.chars().count() > chars {
            self.fault(place, "too_long", format!("must have at most {chars} characters"));
        }
    }

    /// An object of the client's own, with any values, of bounded size and depth.
    pub(crate) fn data(&mut self, name: &str) -> Given<Map<String, Value>> {
        let given = self.object(name, MAX_DATA_BYTES);
        if let Given::Value(members) = &given
            && members.values().map(depth).max().unwrap_or(0) >= MAX_DATA_DEPTH
        {
            self.fault(name, "too_deep", format!("must be nested at most {MAX_DATA_DEPTH} deep"));
        }
        given
    }

    /// An email address, kept as it is written.
    pub(crate) fn email(&mut self, name: &str) -> Given<String> {
        let given = self.text(name, 1..=MAX_ADDRESS_CHARS);
        if let Given::Value(text) = &given
            && !text.trim().is_empty()
            && !is_email_address(text)
        {
            self.fault(name, "not_an_email", "must be an email address");
        }
        given
    }

    /// A site: with or without its scheme, which is one that can be followed without harm.
    pub(crate) fn website(&mut self, name: &str) -> Given<String> {
        let given = self.text(name, 1..=MAX_WEBSITE_CHARS);
        if let Given::Value(text) = &given
            && !text.trim().is_empty()
            && !is_website(text)
        {
            self.fault(name, "not_a_url", "must be an address like https://example.com");
        }
        given
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_website(text: &str) -> bool {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => return false,
        None => text,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    is_domain(host) && port.parse::<u16>().is_ok() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(body: Value, read: impl FnOnce(&mut Fields)) -> Vec<(String, &'static str)> {
        let mut fields = Fields::new(body, &["a", "b"]).unwrap();
        read(&mut fields);
        let problem = fields.finish().unwrap_err().body("", chrono::DateTime::UNIX_EPOCH);
        problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn each_item_of_a_list_is_named_by_its_place() {
        let long = "ä".repeat(MAX_ITEM_CHARS + 1);
        let found = faults(json!({"a": ["x", " ", long]}), |fields| drop(fields.texts("a")));
        assert_eq!(found, [("/a/1".to_owned(), "blank"), ("/a/2".to_owned(), "too_long")]);
        let found = faults(json!({"a": ["x", {"name": "y"}]}), |fields| drop(fields.texts("a")));
        assert_eq!(found, [("/a/1".to_owned(), "wrong_type")]);
        let found = faults(json!({"a": vec!["x"; MAX_ITEMS + 1]}), |fields| drop(fields.texts("a")));
        assert_eq!(found, [("/a".to_owned(), "too_many")]);
    }

    #[test]
    fn data_is_bounded_in_bytes_and_depth() {
        let nested = |n| (1..n).fold(json!({}), |inner, _| json!({"x": inner}));
        let mut fields = Fields::new(json!({"a": nested(MAX_DATA_DEPTH)}), &["a"]).unwrap();
        assert!(matches!(fields.data("a"), Given::Value(_)));
        fields.finish().unwrap();
        for (value, code) in
            [(nested(MAX_DATA_DEPTH + 1), "too_deep"), (json!({"x": "y".repeat(MAX_DATA_BYTES)}), "too_long")]
        {
            assert_eq!(faults(json!({"a": value}), |fields| drop(fields.data("a"))), [("/a".to_owned(), code)]);
        }
    }

    #[test]
    fn a_site_has_a_host_and_no_scheme_that_runs() {
        for text in ["https://tidewater.example", "HTTP://a.example:8080/x?y#z", "acme.example/path", "münchen.example"]
        {
            assert!(is_website(text), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "javascript://a.example/%0aalert(1)",
            "acme",
            "https://",
            "https://a b.example",
            "ftp://a.example",
            "https://me@a.example",
        ] {
            assert!(!is_website(text), "{text}");
        }
    }
}
