//! The body of a request: its type, its size, its time, and what is in it.

use std::borrow::Cow;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use hellosales_core::ErrorCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::ids::Ids;
use super::{Fields, strict};
use crate::error::{Fault, Problem};
use crate::state::AppState;

/// What reads itself from the members of a body.
pub(crate) trait ReadBody: Sized {
    /// The members that it knows.
    const KNOWN: &'static [&'static str];

    /// The member that is a long list of ids, and how many of them are kept at most: it is read by [`Fields::ids`].
    const IDS: Option<(&'static str, usize)> = None;

    /// Whether no body at all is as good as an empty object.
    const OPTIONAL: bool = false;

    /// Takes what it needs; what it returns counts only if no fault was found.
    fn read(fields: &mut Fields) -> Self;
}

/// A body that makes something: that of a change, with what a new one must have.
#[derive(Debug, Clone)]
pub(crate) struct New<T>(pub T);

/// What can be made by the body of its change.
pub(crate) trait Made: ReadBody + ToSchema {
    /// The members that a new one must have.
    const REQUIRED: &'static [&'static str];
    /// What the document calls the body.
    const NAME: &'static str;
}

impl<T: Made> ReadBody for New<T> {
    const KNOWN: &'static [&'static str] = T::KNOWN;

    fn read(fields: &mut Fields) -> Self {
        fields.demand(T::REQUIRED);
        Self(T::read(fields))
    }
}

impl<T: Made> PartialSchema for New<T> {
    fn schema() -> RefOr<Schema> {
        let mut schema = T::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required = T::REQUIRED.iter().copied().map(str::to_owned).collect();
            object.description = None;
        }
        schema
    }
}

impl<T: Made> ToSchema for New<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(T::NAME)
    }
}

/// A body of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Body<T> {
    /// What it holds.
    pub content: T,
    /// Of its canonical form: the same for the same JSON, however it is written.
    pub sha256: [u8; 32],
}

impl<T: ReadBody> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let typed = check_type(request.headers(), JSON);
        let typed = if T::OPTIONAL { typed } else { Ok(typed?) };
        let body = read(request, state).await?;
        let (value, ids) = if T::OPTIONAL && body.is_empty() {
            (Value::Object(serde_json::Map::new()), None)
        } else {
            typed?;
            strict::parse_with_ids(&body, T::IDS)?
        };
        // Without serde_json's `preserve_order` an object's members are sorted.
        let mut digest = Sha256::new().chain_update(value.to_string());
        if let Some(Ids::List(ids, _)) = &ids {
            digest.update(ids.iter().flat_map(|id| id.into_bytes()).collect::<Vec<u8>>());
        }
        let sha256 = digest.finalize().into();
        let mut fields = Fields::new(value, T::KNOWN)?.with_ids(ids);
        let content = T::read(&mut fields);
        fields.finish()?;
        Ok(Self { content, sha256 })
    }
}

/// No body, or an empty object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoBody;

impl FromRequest<AppState> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let typed = check_type(request.headers(), JSON);
        let body = read(request, state).await?;
        if body.is_empty() {
            return Ok(Self);
        }
        typed?;
        match strict::parse(&body)? {
            Value::Object(members) if members.is_empty() => Ok(Self),
            Value::Object(members) => {
                let faults = members
                    .keys()
                    .take(1)
                    .map(|name| Fault::new(format!("/{name}"), "unknown_field", "is not known here"));
                Err(Problem::invalid(faults.collect()))
            }
            _ => Err(Problem::invalid(vec![Fault::new("", "wrong_type", "the body must be an object")])),
        }
    }
}

const JSON: &str = "application/json";

/// That a body is of this type, in UTF-8 and not compressed.
///
/// # Errors
/// If it isn't.
pub(crate) fn check_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let refuse = |message: &str| Err(Problem::new(ErrorCode::UnsupportedMediaType, message));
    let other = format!("the content type must be {expected}");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return refuse("the body must not be compressed");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return refuse(&other);
    };
    let mut parts = value.to_str().unwrap_or("").split(';');
    if !parts.next().is_some_and(|name| name.trim().eq_ignore_ascii_case(expected)) {
        return refuse(&other);
    }
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.trim().eq_ignore_ascii_case("charset") && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        {
            return refuse("the charset must be UTF-8");
        }
    }
    Ok(())
}

async fn read(request: Request, state: &AppState) -> Result<Bytes, Problem> {
    let limit = state.config.body_limit;
    let too_large =
        || Problem::new(ErrorCode::PayloadTooLarge, format!("the body has more than {limit} bytes")).closing();
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(state.config.body_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::malformed("the body broke off").closing()),
        Err(_) => Err(Problem::malformed("the body did not arrive in time").closing()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(content_type: Option<&'static str>, encoding: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        content_type.map(|value| headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value)));
        encoding.map(|value| headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(value)));
        check_type(&headers, JSON).is_ok()
    }

    #[test]
    fn only_plain_json_in_utf8_is_read() {
        assert!(check(Some("application/json"), None));
        assert!(check(Some("Application/JSON; charset=\"UTF-8\""), Some("identity")));
        assert!(!check(None, None));
        assert!(!check(Some("text/plain"), None));
        assert!(!check(Some("application/jsonx"), None));
        assert!(!check(Some("application/json; charset=latin1"), None));
        assert!(!check(Some("application/json"), Some("gzip")));
    }
}
