//! What a submit needs of a request's head.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::IdempotencyKey;
use crate::envelope::{RequestId, TraceParent};
use crate::error::Problem;
use crate::routes::MAX_WAIT_SECONDS;
use crate::state::AppState;

/// The head of a submit.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The key, if there is one.
    pub key: IdempotencyKey,
    /// The request.
    pub request_id: Option<String>,
    /// The trace that it belongs to (W3C).
    pub traceparent: Option<String>,
    /// How many seconds the client would rather wait than come back.
    pub wait: Option<u64>,
}

impl FromRequestParts<AppState> for Head {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Ok(Self {
            key: IdempotencyKey::from_request_parts(parts, state).await?,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
            traceparent: parts.extensions.get::<TraceParent>().and_then(|trace| trace.0.clone()),
            wait: preferred_wait(&parts.headers),
        })
    }
}

/// `Prefer: wait=30` (RFC 7240). A preference that can't be read is none.
fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    let wait = preferences.find_map(|one| {
        let (name, seconds) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds.trim().trim_matches('"').parse::<u64>().ok()).flatten()
    });
    wait.map(|seconds| seconds.min(MAX_WAIT_SECONDS))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_preference_is_read_where_it_can_be() {
        for (text, wait) in [
            ("wait=30", Some(30)),
            ("respond-async, wait=5", Some(5)),
            ("wait=900", Some(60)),
            ("wait=x", None),
            ("hurry", None),
        ] {
            let headers =
                HeaderMap::from_iter([(axum::http::HeaderName::from_static("prefer"), HeaderValue::from_static(text))]);
            assert_eq!(preferred_wait(&headers), wait, "{text}");
        }
    }
}
