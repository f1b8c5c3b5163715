//! Prices as people say them: they are kept as JSON of whatever shape an organisation likes.

use serde_json::{Map, Value};

/// Prices nest at most so deep; what is deeper is left out.
const MAX_DEPTH: usize = 3;
const AMOUNT: [&str; 4] = ["amount", "price", "value", "cost"];
const CURRENCY: [&str; 2] = ["currency", "currency_code"];
const PERIOD: [&str; 6] = ["per", "interval", "period", "unit", "billing_period", "billing"];

/// The prices, each in words: `basic: 49 EUR per month`.
pub(super) fn prices(pricing: &Map<String, Value>) -> Vec<String> {
    // A price alone, without a name: {"amount": 49, "currency": "EUR"}.
    if pricing.keys().any(|key| AMOUNT.contains(&key.as_str())) {
        return object(pricing, 0).into_iter().collect();
    }
    pricing.iter().filter_map(|(name, value)| named(name, value)).collect()
}

fn named(name: &str, value: &Value) -> Option<String> {
    let said = said(value, 0)?;
    let nested = value.is_object() || value.is_array();
    let separator = if nested { ": " } else { " " };
    Some(format!("{}{separator}{said}", words(name)))
}

fn said(value: &Value, depth: usize) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => return None,
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(|item| said(item, depth + 1)).collect();
            items.join(", ")
        }
        Value::Object(map) => object(map, depth)?,
    };
    (!text.is_empty()).then_some(text)
}

/// `pro, 99 EUR per month, seats 10`: its name first, its amount as one, the rest by name.
fn object(map: &Map<String, Value>, depth: usize) -> Option<String> {
    let of = |keys: &[&str]| keys.iter().find_map(|key| scalar(map.get(*key)?));
    let amount = of(&AMOUNT).map(|amount| {
        let currency = of(&CURRENCY).map(|currency| format!(" {currency}")).unwrap_or_default();
        let period = of(&PERIOD).map(|period| by(&period)).unwrap_or_default();
        format!("{amount}{currency}{period}")
    });
    let is_said = |key: &str| {
        let parts = CURRENCY.iter().chain(&PERIOD).chain(&AMOUNT);
        key == "name" || (amount.is_some() && parts.into_iter().any(|part| *part == key))
    };
    let rest: Vec<String> = map
        .iter()
        .filter(|(key, _)| !is_said(key))
        .filter_map(|(key, value)| Some(format!("{} {}", words(key), said(value, depth + 1)?)))
        .collect();
    let parts: Vec<String> = of(&["name"]).into_iter().chain(amount).chain(rest).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Number(_) => said(value, 0),
        _ => None,
    }
}

/// ` per month`, ` yearly`: however the period is kept.
fn by(period: &str) -> String {
    let period = words(period);
    if period.starts_with("per ") || period.ends_with("ly") { format!(" {period}") } else { format!(" per {period}") }
}

fn words(key: &str) -> String {
    key.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(pricing: Value) -> Vec<String> {
        prices(pricing.as_object().unwrap())
    }

    #[test]
    fn prices_are_told_in_words_whatever_their_shape() {
        assert_eq!(
            told(json!({"basic": {"amount": 49, "currency": "EUR", "per": "month"}})),
            ["basic: 49 EUR per month"]
        );
        assert_eq!(
            told(json!({"per_seat": "29 USD", "trial_days": 14, "setup_free": true})),
            ["per seat 29 USD", "setup free yes", "trial days 14"]
        );
        assert_eq!(told(json!({"amount": 12.5, "currency": "CHF", "interval": "per_seat"})), ["12.5 CHF per seat"]);
        assert_eq!(
            told(
                json!({"plans": [{"name": "Pro", "price": 99, "currency": "USD", "billing": "monthly", "seats": 10}, {"name": "Free"}]})
            ),
            ["plans: Pro, 99 USD monthly, seats 10, Free"]
        );
        assert_eq!(
            told(json!({"discounts": {"yearly": "10 %", "volume": {"from_100": "5 %"}}})),
            ["discounts: volume from 100 5 %, yearly 10 %"]
        );
    }

    #[test]
    fn what_says_nothing_is_left_out_and_no_brace_is_ever_told() {
        assert_eq!(told(json!({"a": null, "b": {}, "c": [], "d": "", "e": {"f": null}})), [""; 0]);
        let deep = json!({"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}, "h": [[1, 2], {"i": 3}]});
        for price in told(deep) {
            assert!(!price.contains(['{', '}', '[', ']', '"']), "{price}");
        }
    }
}
