//! What stands around a number says what it measures, and whether it claims anything.

use std::ops::Range;

use rust_decimal::Decimal;

use super::{Measure, Value, date};
use crate::grounding::vocabulary as words;

/// A number's surroundings.
pub(super) struct Around<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    before: &'a str,
    after: &'a str,
}

impl<'a> Around<'a> {
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        let before = text.get(..start).unwrap_or_default();
        let after = text.get(end..).unwrap_or_default();
        Self { text, start, end, before, after }
    }

    /// `B2B`, `Q3`, `GPT-4`, `3D`, `5G`: a name, not a number.
    pub(super) fn is_part_of_a_word(&self) -> bool {
        let mut before = self.before.chars().rev();
        let is_joined = match before.next() {
            Some(c) if c.is_alphabetic() || c == '_' => !is_money(&last_word(self.before)),
            Some('-') => before.next().is_some_and(char::is_uppercase),
            _ => false,
        };
        let first = self.after.chars().next();
        let suffix = first_word(self.after.trim_start_matches(['-', '‑']));
        let is_name = first.is_some_and(char::is_uppercase)
            && !is_money(&suffix)
            && words::scale(&suffix).is_none()
            && !matches!(suffix.as_str(), "AM" | "PM" | "X" | "MB" | "GB" | "TB");
        is_joined || is_name
    }

    /// The amount times the thousand or million that follows, and where that ends.
    pub(super) fn scaled(&self, amount: Decimal) -> (Value, usize) {
        let gap = self.after.len() - self.after.trim_start_matches([' ', '\u{a0}', '\u{202f}']).len();
        let word = first_word(self.after.get(gap..).unwrap_or_default());
        // "1 m" is a metre; "1M" a million.
        let scale = words::scale(&word).filter(|_| gap == 0 || word.chars().count() > 1);
        let scaled = scale.and_then(|scale| amount.checked_mul(Decimal::from(scale)));
        match scaled {
            Some(value) => (Value::Amount(value.normalize()), self.end + gap + word.len()),
            None => (Value::Amount(amount), self.end),
        }
    }

    /// What it measures, and the span with the sign of that.
    pub(super) fn measure(&self) -> (Measure, Range<usize>) {
        let bare = self.after.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
        let gap = self.after.len() - bare.len();
        if gap <= 2 {
            if let Some(length) = percent(bare) {
                return (Measure::Percent, self.start..self.end + gap + length);
            }
            if let Some((currency, length)) = currency_at_start(bare) {
                return (Measure::Money(currency), self.start..self.end + gap + length);
            }
        }
        let left = self.before.trim_end_matches([' ', '\u{a0}', '\u{202f}']);
        if self.before.len() - left.len() <= 2
            && let Some((currency, length)) = currency_at_end(left)
        {
            return (Measure::Money(currency), left.len() - length..self.end);
        }
        (Measure::Plain, self.start..self.end)
    }

    /// The day of a named month that this number is, and where that stands.
    pub(super) fn day(&self, value: &Value) -> Option<(Value, Range<usize>)> {
        let Value::Amount(value) = value else { return None };
        let day = u32::try_from(*value).ok().filter(|day| value.is_integer() && (1..=31).contains(day))?;
        let after = date::month_after(self.after).map(|(month, length)| (month, self.start..self.end + length));
        let found = after.or_else(|| date::month_before(self.before).map(|(month, start)| (month, start..self.end)));
        found.map(|(month, span)| (Value::Day { month, day }, span))
    }

    /// Where the unit ends, if weeks, months or years are counted.
    pub(super) fn long_time(&self) -> Option<usize> {
        let rest = self.after.strip_prefix([' ', '-', '‑', '\u{a0}'])?;
        let word = first_word(rest);
        words::LONG_TIMES
            .contains(&word.to_lowercase().as_str())
            .then(|| self.end + (self.after.len() - rest.len()) + word.len())
    }

    /// Whether a plain number says something that could be wrong.
    pub(super) fn is_claim(&self, value: &Value) -> bool {
        let Value::Amount(value) = value else { return true };
        let next = first_word(self.after.trim_start_matches([' ', '-', '‑', '\u{a0}'])).to_lowercase();
        let last = last_word(self.before.trim_end()).to_lowercase();
        if self.is_list_marker() || self.is_time_of_day(&next) || self.is_idiom() {
            return false;
        }
        if words::ORDINALS.contains(&next.as_str()) && self.after.starts_with(char::is_alphabetic) {
            return false;
        }
        // "3x faster", "3 × so viel".
        if next == "x" || self.after.trim_start().starts_with('×') {
            return true;
        }
        if words::MINUTES.contains(&next.as_str()) && *value <= Decimal::from(90) {
            return !self.speaks_of_a_meeting();
        }
        if value.is_integer() && *value >= Decimal::from(1900) && *value <= Decimal::from(2099) {
            let is_year = self.end - self.start == 4 && words::BEFORE_A_YEAR.contains(&last.as_str());
            return !is_year;
        }
        let is_small = value.is_integer() && *value < Decimal::from(10);
        !is_small || words::LONG_TIMES.contains(&next.as_str())
    }

    /// `1.` or `2)` where a line begins.
    fn is_list_marker(&self) -> bool {
        let line = self.before.rsplit('\n').next().unwrap_or_default();
        line.trim().trim_matches(['(', '#', '*']).is_empty() && self.after.starts_with(['.', ')', ':'])
    }

    /// `10:30`, `3 pm`, `14 Uhr`, `9h30`, `at 10`.
    fn is_time_of_day(&self, next: &str) -> bool {
        let is_clock = |rest: &str| {
            rest.strip_prefix(':').is_some_and(|rest| rest.chars().take_while(char::is_ascii_digit).count() == 2)
        };
        let is_minutes =
            self.before.ends_with(':') && self.before.trim_end_matches(':').ends_with(|c: char| c.is_ascii_digit());
        is_clock(self.after) || is_minutes || words::TIMES_OF_DAY.contains(&next)
    }

    /// `24/7`, `1:1`, `50/50`.
    fn is_idiom(&self) -> bool {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let mut after = self.after.chars();
        let mut before = self.before.chars().rev();
        (matches!(after.next(), Some('/' | ':')) && digit(after.next()))
            || (matches!(before.next(), Some('/' | ':')) && digit(before.next()))
    }

    /// A call of fifteen minutes is an offer, not a claim.
    pub(super) fn speaks_of_a_meeting(&self) -> bool {
        let breaks = ['\n', '.', '!', '?'];
        let left = self.before.rsplit(breaks).next().unwrap_or_default();
        let right = self.after.split(breaks).next().unwrap_or_default();
        let span = self.start - left.len()..self.end + right.len();
        let sentence = self.text.get(span).unwrap_or_default().to_lowercase();
        words::MEETINGS.iter().any(|word| sentence.contains(word))
    }
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphabetic()).take(24).collect()
}

fn last_word(text: &str) -> String {
    let reversed: Vec<char> = text.chars().rev().take_while(|c| c.is_alphanumeric()).take(24).collect();
    reversed.into_iter().rev().collect()
}

fn percent(text: &str) -> Option<usize> {
    if text.starts_with('%') {
        return Some(1);
    }
    let lower: String = text.chars().take(12).flat_map(char::to_lowercase).collect();
    words::PERCENT.iter().find(|word| lower.starts_with(**word)).map(|word| word.len())
}

fn is_money(word: &str) -> bool {
    words::currency(word).is_some()
}

fn currency_at_start(text: &str) -> Option<(&'static str, usize)> {
    let symbol = text.chars().next()?;
    if let Some(currency) = words::currency_of_symbol(symbol) {
        return Some((currency, symbol.len_utf8()));
    }
    let word = first_word(text);
    words::currency(&word).map(|currency| (currency, word.len()))
}

fn currency_at_end(text: &str) -> Option<(&'static str, usize)> {
    let symbol = text.chars().next_back()?;
    if let Some(currency) = words::currency_of_symbol(symbol) {
        return Some((currency, symbol.len_utf8()));
    }
    let word = last_word(text);
    // A word before a number is a currency only as its code: "euros 20" is nobody's price.
    words::currency(&word).filter(|_| word.chars().all(char::is_uppercase)).map(|currency| (currency, word.len()))
}
