//! The id in a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::Problem;
use crate::state::AppState;

/// The one id of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id<T>(pub T);

impl<T: From<Uuid>> FromRequestParts<AppState> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::malformed("the path is not UTF-8"))?;
        let id = params.iter().find(|(name, _)| *name == "id").and_then(|(_, text)| uuid(text));
        id.map(|id| Self(id.into())).ok_or_else(|| Problem::malformed("the id in the path is not a UUID"))
    }
}

/// The id of a route, and the number of a version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<T>(pub T, pub i32);

impl<T: From<Uuid> + Send> FromRequestParts<AppState> for Version<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Id(id) = Id::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::malformed("the path is not UTF-8"))?;
        let n = params.iter().find(|(name, _)| *name == "n").and_then(|(_, text)| number(text));
        n.map(|n| Self(id, n)).ok_or_else(|| Problem::malformed("the version in the path is not a number from 1 on"))
    }
}

fn number(text: &str) -> Option<i32> {
    let is_number = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// A UUID in its usual form: 36 characters, with hyphens.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}
