//! Where a follower left off: `Last-Event-ID`, else `?after=`.

use axum::http::HeaderMap;

use crate::error::Problem;
use crate::extract::{Params, ReadQuery};

/// The query of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    after: Option<i64>,
}

impl ReadQuery for Position {
    const KNOWN: &'static [&'static str] = &["after"];

    fn read(params: &mut Params) -> Self {
        Self { after: params.integer("after", 0..=i64::MAX) }
    }
}

impl Position {
    /// The position, if there is one. A browser that reconnects sends the header and keeps the URL, so the header
    /// is the newer. An empty one is none: that is what a browser has before the first event.
    ///
    /// # Errors
    /// If the header is no position.
    pub(crate) fn find(self, headers: &HeaderMap) -> Result<Option<i64>, Problem> {
        let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(self.after) };
        let is_plain = value.as_bytes().iter().all(u8::is_ascii_digit);
        let position = value.to_str().ok().filter(|_| is_plain).and_then(|text| text.parse().ok());
        position.map(Some).ok_or_else(|| Problem::malformed("Last-Event-ID is not a position of a stream"))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_header_goes_before_the_query() {
        let query = Position { after: Some(3) };
        let mut headers = HeaderMap::new();
        assert_eq!(query.find(&headers).unwrap(), Some(3));
        headers.insert("last-event-id", HeaderValue::from_static("1000007"));
        assert_eq!(query.find(&headers).unwrap(), Some(1_000_007));
        for junk in ["-1", "x", "1.5", "99999999999999999999"] {
            headers.insert("last-event-id", HeaderValue::from_static(junk));
            assert!(query.find(&headers).is_err(), "{junk}");
        }
    }
}
