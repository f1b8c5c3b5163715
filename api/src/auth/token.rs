//! A bearer token, verified (RFC 8725): RS256 and nothing else, the key by `kid` from the configured key sets
//! only, and exp, iss and sub must be there.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hellosales_core::ErrorCode;
use hellosales_core::identity::Claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::permission::{self, Permission};
use crate::error::Problem;

const LEEWAY_SECONDS: u64 = 30;
const MAX_TOKEN_BYTES: usize = 16 * 1024;
const MAX_TEXT_CHARS: usize = 255;
const MAX_PERMISSIONS: usize = 100;

/// What a token must be to be believed.
#[derive(Debug)]
pub(crate) struct Verifier {
    validation: Validation,
}

/// What a believed token says.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    pub(crate) claims: Claims,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) expires_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct RawClaims {
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    org_id: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    permissions: Option<Vec<String>>,
    #[serde(default)]
    org_name: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

fn invalid(message: &str) -> Problem {
    Problem::new(ErrorCode::TokenInvalid, message)
}

impl Verifier {
    /// Believes these issuers, each with and without a slash at its end, and this audience if one is given.
    pub(crate) fn new(issuers: &[String], audience: Option<&str>) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        // `set_issuer` alone lets tokens through that have no `iss`.
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let issuers = issuers.iter().map(|issuer| issuer.trim_end_matches('/'));
        validation.iss =
            Some(issuers.flat_map(|issuer| [issuer.to_owned(), format!("{issuer}/")]).collect::<HashSet<_>>());
        match audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        Self { validation }
    }

    /// The id of the key that a token says it was signed with, once its header is one that we read at all.
    ///
    /// # Errors
    /// 401 for any other algorithm, and for a header that demands what we don't know.
    pub(crate) fn key_id(token: &str) -> Result<Option<String>, Problem> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("the token is too long"));
        }
        let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let header: Option<Value> = header.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let header = header.filter(Value::is_object).ok_or_else(|| invalid("the token can't be read"))?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(invalid("the token is not signed with RS256"));
        }
        if header.get("crit").is_some() {
            return Err(invalid("the token demands an extension that is not known here"));
        }
        match header.get("kid") {
            None => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid.clone())),
            Some(_) => Err(invalid("the token can't be read")),
        }
    }

    /// Verifies a token with its key.
    ///
    /// # Errors
    /// 401, or 403 if it is for no organisation.
    pub(crate) fn verify(&self, token: &str, key: &DecodingKey) -> Result<Bearer, Problem> {
        let raw =
            jsonwebtoken::decode::<RawClaims>(token, key, &self.validation).map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => Problem::new(ErrorCode::TokenExpired, "the token has expired"),
                _ => invalid("the token is not valid here"),
            })?;
        read(raw.claims)
    }
}

fn read(raw: RawClaims) -> Result<Bearer, Problem> {
    let is_key = |text: &str| !text.trim().is_empty() && text.chars().count() <= MAX_TEXT_CHARS && !text.contains('\0');
    let expires_at = DateTime::from_timestamp(raw.exp, 0).ok_or_else(|| invalid("the token's exp is no time"))?;
    if !is_key(&raw.sub) {
        return Err(invalid("the token's sub can't be used"));
    }
    let Some(org) = raw.org_id.filter(|org| !org.is_empty()) else {
        return Err(Problem::new(ErrorCode::OrgRequired, "the token is for no organisation"));
    };
    if !is_key(&org) || raw.permissions.as_ref().is_some_and(|names| names.len() > MAX_PERMISSIONS) {
        return Err(invalid("the token's claims can't be used"));
    }
    let text = |text: Option<String>| {
        text.map(|text| text.chars().filter(|c| *c != '\0').take(MAX_TEXT_CHARS).collect::<String>())
            .filter(|text| !text.is_empty())
    };
    let role = permission::role(raw.role.as_deref());
    let permissions = permission::permissions(raw.permissions.as_deref(), role);
    let claims = Claims {
        provider: provider(&raw.iss),
        subject: raw.sub,
        org,
        role,
        permissions: permissions.iter().map(|permission| permission.as_str().to_owned()).collect(),
        email: text(raw.email),
        name: text(raw.name),
        org_name: text(raw.org_name),
    };
    Ok(Bearer { claims, permissions, expires_at })
}

/// An issuer as the first half of a user's key: two issuers' `sub`s are two people.
fn provider(issuer: &str) -> String {
    const MAX_PROVIDER_CHARS: usize = 50;
    let name = issuer.trim_end_matches('/').trim_start_matches("https://").trim_start_matches("http://");
    if name.chars().count() <= MAX_PROVIDER_CHARS {
        return name.to_owned();
    }
    let digest = <sha2::Sha256 as sha2::Digest>::digest(name);
    URL_SAFE_NO_PAD.encode(digest)
}

#[cfg(test)]
mod tests;
