//! The `Idempotency-Key` of a creating POST.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hellosales_core::UserId;
use hellosales_core::idempotency::KeyedRequest;
use sha2::{Digest, Sha256};

use crate::error::Problem;
use crate::state::AppState;

const HEADER: &str = "idempotency-key";
const MAX_LENGTH: usize = 255;

/// The key, if the client gave one, and the route that it was given to.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    key: Option<String>,
    route: String,
}

impl FromRequestParts<AppState> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let route = format!("{} {}", parts.method, parts.uri.path());
        let mut keys = parts.headers.get_all(HEADER).iter();
        let Some(key) = keys.next() else { return Ok(Self { key: None, route }) };
        if keys.next().is_some() {
            return Err(Problem::malformed("there is more than one Idempotency-Key"));
        }
        let is_sound = (1..=MAX_LENGTH).contains(&key.len()) && key.as_bytes().iter().all(|b| (0x20..0x7f).contains(b));
        let text = key.to_str().ok().filter(|text| is_sound && !text.trim().is_empty());
        let key = text.ok_or_else(|| {
            Problem::malformed(format!("an Idempotency-Key has 1 to {MAX_LENGTH} characters of ASCII"))
        })?;
        Ok(Self { key: Some(key.to_owned()), route })
    }
}

impl IdempotencyKey {
    /// Of a route that does nothing without one.
    ///
    /// # Errors
    /// 400 if there is none.
    pub(crate) fn required(self) -> Result<Self, Problem> {
        if self.key.is_some() {
            return Ok(self);
        }
        Err(Problem::malformed("the header Idempotency-Key is required here: the same key again gives the same object"))
    }

    /// With the body that it came with. The caller is part of what must be the same: nobody is given what another
    /// person of the organisation made.
    #[must_use]
    pub(crate) fn with(self, user: UserId, body_sha256: &[u8; 32]) -> Option<KeyedRequest> {
        let body_sha256 = Sha256::new().chain_update(user.uuid()).chain_update(body_sha256).finalize().into();
        self.key.map(|key| KeyedRequest { key, route: self.route, body_sha256 })
    }
}
