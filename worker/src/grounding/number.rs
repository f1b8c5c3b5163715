//! Numbers: found in a text with what they measure, read in the notations of several countries, and looked up in the
//! sources.

mod context;
mod date;
mod notation;
mod spelled;

use rust_decimal::Decimal;

use context::Around;

/// A number in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// As it stands there, with its currency or percent sign.
    pub(super) text: String,
    value: Value,
    measure: Measure,
    /// It says something that could be wrong: no list marker, time of day, ordinal, or small count.
    pub(super) is_claim: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Amount(Decimal),
    /// A date, a version, a telephone number: equal if its digits are.
    Digits(String),
    /// A day of a month that is named.
    Day {
        /// From 1.
        month: u32,
        /// From 1.
        day: u32,
    },
}

/// What it measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Plain,
    Percent,
    /// In this currency; empty: in one that isn't known.
    Money(&'static str),
}

impl Number {
    pub(super) const fn is_price(&self) -> bool {
        matches!(self.measure, Measure::Money(_))
    }

    /// Whether a source has it: the same value, of the same kind as far as both say which.
    pub(super) fn is_in(&self, sources: &[Self]) -> bool {
        let has =
            |value: &Value| sources.iter().any(|source| source.value == *value && self.measure.fits(source.measure));
        has(&self.value)
            || match self.value {
                // In figures a source may have it in any order: `2026-03-12`, `12/03`, `12.03.2026`.
                Value::Day { month, day } => {
                    let is_in = |digits: &str| {
                        let [one, other] = [format!("{day:02}{month:02}"), format!("{month:02}{day:02}")];
                        digits.contains(&one) || digits.contains(&other)
                    };
                    let amount = |value: u32| has(&Value::Amount(value.into()));
                    amount(day) && amount(month)
                        || sources.iter().any(|source| matches!(&source.value, Value::Digits(digits) if is_in(digits)))
                }
                _ => false,
            }
    }
}

impl Measure {
    fn fits(self, source: Self) -> bool {
        match (self, source) {
            (Self::Plain, _) | (_, Self::Plain) => true,
            (Self::Money(said), Self::Money(known)) => said == known || said.is_empty() || known.is_empty(),
            (said, known) => said == known,
        }
    }
}

/// All numbers of a text, in order.
pub(super) fn find(text: &str) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(|c: char| c.is_ascii_digit())).map(|n| at + n) {
        let end = notation::end(text, start);
        at = end;
        let around = Around::new(text, start, end);
        if around.is_part_of_a_word() {
            continue;
        }
        let Some(digits) = text.get(start..end) else { continue };
        let (value, end) = match notation::read(digits) {
            Some(amount) => around.scaled(amount),
            None => (Value::Digits(digits.chars().filter(char::is_ascii_digit).collect()), end),
        };
        let around = Around::new(text, start, end);
        if let Some((value, span)) = around.day(&value) {
            at = at.max(span.end);
            let is_claim = !around.speaks_of_a_meeting();
            let text = text.get(span).unwrap_or_default().trim().to_owned();
            found.push(Number { text, value, measure: Measure::Plain, is_claim });
            continue;
        }
        let (measure, span) = around.measure();
        let is_claim = measure != Measure::Plain || around.is_claim(&value);
        at = at.max(end);
        let text = text.get(span).unwrap_or_default().trim().to_owned();
        found.push(Number { text, value, measure, is_claim });
    }
    found.extend(in_words(text));
    found
}

/// Those that are written out. They claim something as a percentage, or as a long time.
fn in_words(text: &str) -> Vec<Number> {
    let numbers = spelled::find(text).into_iter().map(|(words, value)| {
        let around = Around::new(text, words.start, words.end);
        let (measure, span) = around.measure();
        let unit = around.long_time();
        let is_claim = (measure == Measure::Percent && value < 100 || unit.is_some()) && !around.speaks_of_a_meeting();
        let span = span.start..unit.unwrap_or(span.end);
        let text = text.get(span).unwrap_or_default().trim().to_owned();
        Number { text, value: Value::Amount(value.into()), measure, is_claim }
    });
    numbers.collect()
}
