//! The caller of a request: a verified token, and who that is in the database.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use hellosales_core::content::Viewer;
use hellosales_core::identity::{self, Claims, Identity};
use hellosales_core::{Database, ErrorCode, OrgId, UserId};
use tokio::time::Instant;

use super::permission::Permission;
use super::token::Verifier;
use crate::error::Problem;
use crate::state::AppState;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who that is here.
    pub identity: Identity,
    /// The role in the organisation.
    pub role: &'static str,
    /// What that person may do.
    pub permissions: Arc<[Permission]>,
    /// When the token ends.
    pub expires_at: DateTime<Utc>,
}

impl Caller {
    /// The organisation.
    #[must_use]
    pub(crate) const fn org(&self) -> OrgId {
        self.identity.org_id
    }

    /// The person.
    #[must_use]
    pub(crate) const fn user(&self) -> UserId {
        self.identity.user_id
    }

    /// Whether one of the permissions is there of which a route of this kind asks one.
    #[must_use]
    pub(crate) fn has_any<G: Grant>(&self) -> bool {
        G::ANY_OF.is_empty() || G::ANY_OF.iter().any(|permission| self.permissions.contains(permission))
    }

    /// As one who looks at sessions.
    #[must_use]
    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { user_id: self.user(), sees_all: self.permissions.contains(&Permission::PulsePayloads) }
    }
}

/// What a route asks of its caller.
pub(crate) trait Grant: Send + Sync + 'static {
    /// One of these is enough; none asked, none needed.
    const ANY_OF: &'static [Permission];
    /// Each of these is needed, too.
    const ALL_OF: &'static [Permission] = &[];
}

/// A valid token is enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedIn;

impl Grant for SignedIn {
    const ANY_OF: &'static [Permission] = &[];
}

/// May hold conversations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChatUse;

impl Grant for ChatUse {
    const ANY_OF: &'static [Permission] = &[Permission::ChatUse];
}

/// May read products, clients, scripts, emails and the company profile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContentRead;

impl Grant for ContentRead {
    const ANY_OF: &'static [Permission] = &[Permission::ContentRead];
}

/// May write them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContentWrite;

impl Grant for ContentWrite {
    const ANY_OF: &'static [Permission] = &[Permission::ContentWrite];
}

/// May have scripts and emails written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generate;

impl Grant for Generate {
    const ANY_OF: &'static [Permission] = &[Permission::Generate];
}

/// May submit or watch runs of some kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnyRunUse;

impl Grant for AnyRunUse {
    const ANY_OF: &'static [Permission] =
        &[Permission::ChatUse, Permission::Generate, Permission::BatchManage, Permission::PulseRead];
}

/// May look at batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchRead;

impl Grant for BatchRead {
    const ANY_OF: &'static [Permission] = &[Permission::BatchManage, Permission::PulseRead];
}

/// May steer batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchManage;

impl Grant for BatchManage {
    const ANY_OF: &'static [Permission] = &[];
    const ALL_OF: &'static [Permission] = &[Permission::BatchManage];
}

/// May have batches written: that costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchWrite;

impl Grant for BatchWrite {
    const ANY_OF: &'static [Permission] = &[];
    const ALL_OF: &'static [Permission] = &[Permission::BatchManage, Permission::Generate];
}

/// A caller who may do what the route asks.
#[derive(Debug, Clone)]
pub(crate) struct May<G> {
    /// Who calls.
    pub caller: Caller,
    grant: PhantomData<G>,
}

impl<G: Grant> FromRequestParts<AppState> for May<G> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = authenticate(parts, state).await?;
        let has_all = G::ALL_OF.iter().all(|permission| caller.permissions.contains(permission));
        if caller.has_any::<G>() && has_all {
            return Ok(Self { caller, grant: PhantomData });
        }
        let names: Vec<&str> = G::ANY_OF.iter().map(|permission| permission.as_str()).collect();
        let all: Vec<&str> = G::ALL_OF.iter().map(|permission| permission.as_str()).collect();
        let needed = if has_all { names.join(" or ") } else { all.join(" and ") };
        let message = format!("this needs the permission {needed}");
        Err(Problem::new(ErrorCode::InsufficientPermissions, message))
    }
}

async fn authenticate(parts: &Parts, state: &AppState) -> Result<Caller, Problem> {
    let token = bearer(parts)?;
    let key = state.jwks.key(Verifier::key_id(token)?.as_deref()).await?;
    let bearer = state.verifier.verify(token, &key)?;
    let identity = state.sign_ins.get(&state.db, &bearer.claims).await?;
    Ok(Caller {
        identity,
        role: bearer.claims.role,
        permissions: bearer.permissions.into(),
        expires_at: bearer.expires_at,
    })
}

fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Problem::new(ErrorCode::TokenMissing, "there is no Authorization header"));
    };
    let token = value.to_str().ok().and_then(|text| text.split_once(' '));
    match (token, values.next()) {
        (Some((scheme, token)), None) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(token.trim())
        }
        _ => Err(Problem::new(ErrorCode::TokenInvalid, "the Authorization header is not one bearer token")),
    }
}

const REMEMBERED: usize = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// Who was seen lately, by claims: so that not every request writes. Ids never change, and a claim that does is
/// another key, so an entry can't be wrong; it is dropped for the sake of memory, and of databases put back.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    seen: Mutex<HashMap<Claims, (Identity, Instant)>>,
}

impl SignIns {
    async fn get(&self, db: &Database, claims: &Claims) -> Result<Identity, Problem> {
        if let Some(identity) = self.find(claims) {
            return Ok(identity);
        }
        let (db, claims) = (db.clone(), claims.clone());
        let identity = identity::sign_in(&db, &claims).await?;
        self.keep(claims, identity.clone());
        Ok(identity)
    }

    fn find(&self, claims: &Claims) -> Option<Identity> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(claims).filter(|(_, at)| at.elapsed() < REMEMBERED_FOR).map(|(identity, _)| identity.clone())
    }

    fn keep(&self, claims: Claims, identity: Identity) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (_, at)| at.elapsed() < REMEMBERED_FOR);
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(claims, (identity, Instant::now()));
    }
}
