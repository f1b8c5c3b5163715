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

/// A UUID in its usual form: 36 characters, with hyphens.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}
