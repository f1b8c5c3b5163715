//! Money in a body.

use rust_decimal::Decimal;
use serde_json::Value;

use super::{Fields, Given};

impl Fields {
    /// An amount of cents, more than nothing, with at most six decimals.
    pub(crate) fn cents(&mut self, name: &str, most: u32) -> Given<Decimal> {
        let given = self.take(name, "a number", |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        });
        let Given::Value(number) = given else {
            return if matches!(given, Given::Null) { Given::Null } else { Given::Absent };
        };
        let text = number.to_string();
        let cents = text.parse().or_else(|_| Decimal::from_scientific(&text)).map(|cents: Decimal| cents.normalize());
        match cents.ok().filter(|cents| *cents > Decimal::ZERO && *cents <= most.into() && cents.scale() <= 6) {
            Some(cents) => Given::Value(cents),
            None => {
                self.fault(name, "out_of_range", format!("must be more than 0, at most {most}, with up to 6 decimals"));
                Given::Absent
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_exact_and_more_than_nothing() {
        let read = |number: &str| {
            let body = serde_json::from_str(&format!("{{\"x\":{number}}}")).unwrap();
            let mut fields = Fields::new(body, &["x"]).unwrap();
            let cents = fields.cents("x", 1_000).value().map(|cents| cents.to_string());
            fields.finish().ok().and(cents)
        };
        for (number, cents) in
            [("500", "500"), ("0.0389", "0.0389"), ("1e3", "1000"), ("1e-6", "0.000001"), ("1000.0", "1000")]
        {
            assert_eq!(read(number).as_deref(), Some(cents), "{number}");
        }
        for number in ["0", "-1", "1000.000001", "0.0000001", "1e300", "\"1\""] {
            assert_eq!(read(number), None, "{number}");
        }
    }
}
