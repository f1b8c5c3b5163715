//! What every request and every answer has: an id, the headers of security and CORS, a log line, and the body of a
//! problem. Outermost, so that nothing gets out without it.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use hellosales_core::ErrorCode;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::error::Problem;
use crate::server::HangUp;
use crate::state::AppState;

const REQUEST_ID: &str = "x-request-id";
const MAX_REQUEST_ID: usize = 100;
/// A request's head may have this many bytes; what reads it has room for a little more.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Routes that end so are streams: any answer but 200 would keep a browser from coming back to one, so when it can't
/// be had for now (no database, no keys) there is none.
const STREAMS: &str = "/events";
/// What a browser's script may read.
const EXPOSED: &str = "Location, ETag, X-Request-ID, Link, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
                       Idempotent-Replayed, Preference-Applied";
/// What a browser's script may do. Which of them a route has, axum adds only after us.
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const ALLOWED_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Prefer, X-Request-ID, Traceparent";

/// The id of a request: the client's if it is sane, else ours.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub String);

/// The trace that a request is part of (W3C), if it says so.
#[derive(Debug, Clone)]
pub(crate) struct TraceParent(pub Option<String>);

/// The middleware.
pub(crate) async fn wrap(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let trace = TraceParent(traceparent(request.headers()));
    let origin = allowed_origin(&state.config.cors_origins, request.headers());
    let (method, is_preflight) = (request.method().clone(), is_preflight(&request));
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(trace);
    let answer = if head_bytes(&request) > MAX_HEAD_BYTES {
        Problem::new(ErrorCode::HeadersTooLarge, format!("the head has more than {MAX_HEAD_BYTES} bytes"))
            .closing()
            .into_response()
    } else {
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(request_id = %id, "a handler panicked");
            Problem::new(ErrorCode::InternalError, "something went wrong on our side").into_response()
        })
    };
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE && route.ends_with(STREAMS) {
        tracing::info!(request_id = %id, route, "hung up: a stream has no 503");
        return HangUp.into_response();
    }
    let mut answer = with_body(answer, &id);
    add_headers(answer.headers_mut(), &id);
    add_cors(answer.headers_mut(), origin, is_preflight);
    let status = answer.status().as_u16();
    tracing::info!(request_id = %id, %method, route, status, ms = started.elapsed().as_millis(), "request");
    answer
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_sane = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    given.filter(is_sane).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_hex = text.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (lengths == [2, 32, 16, 2] && is_hex).then(|| text.to_owned())
}

fn head_bytes(request: &Request) -> usize {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    request.headers().iter().fold(uri, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}

/// Writes the body of a problem.
fn with_body(mut answer: Response, id: &str) -> Response {
    let Some(problem) = answer.extensions_mut().remove::<Problem>() else { return answer };
    let body = problem.body(id, clock::now());
    if body.status >= 500 {
        tracing::warn!(request_id = id, code = body.code, "a request failed");
    }
    let Ok(json) = serde_json::to_vec(&body) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    *answer.body_mut() = Body::from(json);
    answer
}

fn add_headers(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The request's origin, if it is one of ours, exactly.
fn allowed_origin(allowed: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    headers
        .get(header::ORIGIN)
        .filter(|origin| allowed.iter().any(|known| known.as_bytes() == origin.as_bytes()))
        .cloned()
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn add_cors(headers: &mut HeaderMap, origin: Option<HeaderValue>, is_preflight: bool) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

/// No such route.
pub(crate) async fn not_found() -> Problem {
    Problem::new(ErrorCode::NotFound, "there is no such route")
}

/// Another method than the route has; axum adds `Allow`. OPTIONS asks for just that.
pub(crate) async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(ErrorCode::MethodNotAllowed, "the route does not have this method").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        assert_eq!(request_id(&headers("x-request-id", "abc-1.2:3_4")), "abc-1.2:3_4");
        for bad in ["", "a b", "a\"b", "<x>"] {
            assert!(Uuid::try_parse(&request_id(&headers("x-request-id", bad))).is_ok());
        }
    }

    #[test]
    fn a_traceparent_is_taken_only_if_it_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(&headers("traceparent", good)).as_deref(), Some(good));
        assert_eq!(traceparent(&headers("traceparent", "00-xyz")), None);
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let allowed = ["https://app.example".to_owned()];
        assert!(allowed_origin(&allowed, &headers("origin", "https://app.example")).is_some());
        for other in ["https://app.example.evil", "http://app.example", "https://app.example/", "null"] {
            assert!(allowed_origin(&allowed, &headers("origin", other)).is_none(), "{other}");
        }
    }
}
