//! What stands in a column of a row, for people, for programs and for spreadsheets.

use std::fmt::Display;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::duration;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing: empty, or null.
    Empty,
    /// Words.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A time.
    Time(DateTime<Utc>),
    /// How long, in milliseconds.
    Ms(i64),
    /// What has a shape of its own.
    Json(Value),
}

impl Cell {
    /// An id, a decimal number's words, whatever says itself.
    pub(crate) fn said(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    /// The same, of what may be missing.
    pub(crate) fn said_if(value: Option<impl Display>) -> Self {
        value.map_or(Self::Empty, Self::said)
    }

    /// A number, such as money, by its decimal words.
    pub(crate) fn decimal(value: impl Display) -> Self {
        value.to_string().parse().map_or(Self::Empty, Self::Number)
    }

    /// The same, of what may be missing.
    pub(crate) fn decimal_if(value: Option<impl Display>) -> Self {
        value.map_or(Self::Empty, Self::decimal)
    }

    /// How long, of what may be missing.
    pub(crate) fn ms_if(value: Option<impl Into<i64>>) -> Self {
        value.map_or(Self::Empty, |ms| Self::Ms(ms.into()))
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Time(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
            Self::Ms(ms) => duration::tell(*ms),
            Self::Json(value) => value.to_string(),
        }
    }

    /// For programs: the contract's forms of times, and numbers as numbers.
    pub(crate) fn into_json(self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Text(text) => Value::String(text),
            Self::Whole(number) | Self::Ms(number) => number.into(),
            Self::Number(number) => number.into(),
            Self::Flag(flag) => flag.into(),
            Self::Time(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
            Self::Json(value) => value,
        }
    }

    /// For spreadsheets: numbers stay numbers, and words that a spreadsheet would take for a formula don't begin like one.
    pub(crate) fn into_csv(self) -> String {
        let text = match self {
            Self::Text(text) => text,
            Self::Json(value) => value.to_string(),
            Self::Empty => return String::new(),
            Self::Flag(flag) => return flag.to_string(),
            Self::Ms(number) => return number.to_string(),
            Self::Time(time) => return time.to_rfc3339_opts(SecondsFormat::Micros, true),
            number @ (Self::Whole(_) | Self::Number(_)) => return number.text(),
        };
        let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
            || text.starts_with(['\t', '\r', '\n']);
        if is_formula { format!("'{text}") } else { text }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_gets_no_formula_and_numbers_stay_numbers() {
        for text in ["=1+1", "+1", "-cmd", "@x", " =1", "\t=1", "＝1", "\n=1"] {
            assert_eq!(Cell::from(text).into_csv(), format!("'{text}"), "{text}");
        }
        assert_eq!(Cell::from("a=b").into_csv(), "a=b");
        assert_eq!((Cell::from(-3).into_csv(), Cell::decimal("-0.0389").into_csv()), ("-3".into(), "-0.0389".into()));
    }

    #[test]
    fn programs_get_numbers_times_and_nulls() {
        assert_eq!(Cell::decimal("0.038900").into_json(), Value::from(0.0389));
        assert_eq!(Cell::Ms(61_000).into_json(), Value::from(61_000));
        assert_eq!(Cell::Ms(61_000).text(), "1m01s");
        assert_eq!(Cell::from(None::<i32>).into_json(), Value::Null);
        let time: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
        assert_eq!(Cell::from(time).into_json(), "2026-11-24T12:00:00.000000Z");
        assert_eq!(Cell::from(time).text(), "2026-11-24T12:00:00Z");
    }
}
