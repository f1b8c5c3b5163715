//! Query parameters: each at most once, none unknown.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::{Fault, Problem};
use crate::state::AppState;

/// What reads itself from query parameters.
pub(crate) trait ReadQuery: Sized {
    /// The parameters that it knows.
    const KNOWN: &'static [&'static str];

    /// Takes what it needs; what it returns counts only if no fault was found.
    fn read(params: &mut Params) -> Self;
}

/// No parameters.
impl ReadQuery for () {
    const KNOWN: &'static [&'static str] = &[];

    fn read(_: &mut Params) -> Self {}
}

/// The query of a request.
#[derive(Debug, Clone)]
pub(crate) struct Query<T>(pub T);

impl<T: ReadQuery> FromRequestParts<AppState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let mut params = Params::parse(parts.uri.query().unwrap_or(""), T::KNOWN)?;
        let query = T::read(&mut params);
        params.finish()?;
        Ok(Self(query))
    }
}

/// The parameters, taken one by one.
#[derive(Debug)]
pub(crate) struct Params {
    given: BTreeMap<String, String>,
    malformed: Option<Problem>,
    faults: Vec<Fault>,
}

impl Params {
    /// Reads a query string.
    ///
    /// # Errors
    /// If it isn't one, or has a parameter twice or an unknown one.
    pub(crate) fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut given = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let shown = name.replace('\0', "\u{fffd}");
            let refuse =
                |code, message: &str| Err(Problem::invalid(vec![Fault::new(format!("/{shown}"), code, message)]));
            if !known.contains(&name.as_str()) {
                return refuse("unknown_parameter", "is not known here");
            }
            if value.contains('\0') {
                return refuse("null_character", "must not contain U+0000");
            }
            if given.insert(name, value).is_some() {
                return refuse("duplicate_parameter", "is there twice");
            }
        }
        Ok(Self { given, malformed: None, faults: Vec::new() })
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// What was found.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.malformed {
            Some(malformed) => Err(malformed),
            None if self.faults.is_empty() => Ok(()),
            None => Err(Problem::invalid(self.faults)),
        }
    }

    /// Adds a fault.
    pub(crate) fn fault(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        self.faults.push(Fault::new(format!("/{name}"), code, message));
    }

    /// A text as it is.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.given.remove(name)
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let text = self.given.remove(name)?;
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_number && range.contains(number));
        if number.is_none() {
            self.fault(name, "out_of_range", format!("must be a whole number, {} to {}", range.start(), range.end()));
        }
        number
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.word(name, &[("true", true), ("false", false)])
    }

    /// One of these words.
    pub(crate) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.given.remove(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(name, "unknown_value", format!("must be one of {}", known.join(", ")));
        }
        found
    }

    /// An id.
    pub(crate) fn id<T: From<Uuid>>(&mut self, name: &str) -> Option<T> {
        let text = self.given.remove(name)?;
        let id = super::path::uuid(&text);
        if id.is_none() {
            self.malformed.get_or_insert_with(|| Problem::malformed(format!("{name} is not a UUID")));
        }
        id.map(T::from)
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let malformed = || Problem::malformed("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
                u8::try_from(high * 16 + low).map_err(|_| malformed())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use hellosales_core::ErrorCode;

    use super::*;

    #[test]
    fn unknown_double_and_null_are_invalid_and_broken_escapes_malformed() {
        for (query, code) in [
            ("x=1", ErrorCode::ValidationFailed),
            ("limit=1&limit=2", ErrorCode::ValidationFailed),
            ("limit=%00", ErrorCode::ValidationFailed),
            ("limit=%f", ErrorCode::MalformedRequest),
            ("limit=%ff", ErrorCode::MalformedRequest),
        ] {
            assert_eq!(Params::parse(query, &["limit"]).unwrap_err().code(), code, "{query}");
        }
    }

    #[test]
    fn numbers_are_bounded_and_plain() {
        for (text, number) in [
            ("1", Some(1)),
            ("100", Some(100)),
            ("0", None),
            ("101", None),
            ("-1", None),
            ("+1", None),
            ("1e1", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            let mut params = Params::parse(&format!("limit={}", text.replace('+', "%2B")), &["limit"]).unwrap();
            assert_eq!(params.integer("limit", 1..=100), number, "{text}");
            assert_eq!(params.finish().is_err(), number.is_none());
        }
    }
}
