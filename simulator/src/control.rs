//! The routes of those who run the simulator: control, log, keys and tokens, health.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::fault::Rule;
use crate::log::{Asked, End};
use crate::openai::reply;
use crate::refusal::WireError;
use crate::server::World;
use crate::token::{Role, TokenRequest};

/// Nobody waits longer for a hold.
const LONGEST_WAIT_MS: u64 = 60_000;
/// A development token is good for a year at most.
const LONGEST_TOKEN_S: u64 = 365 * 24 * 3_600;

fn refused(message: impl Into<String>) -> Response {
    WireError::invalid(message, None, None).response()
}

fn shown(world: &World) -> Response {
    let body = json!({"rules": world.faults.list(), "held": world.holds.held()});
    reply(StatusCode::OK, body.to_string())
}

/// `POST /_control`: one more rule.
pub(crate) async fn add_rule(State(world): State<Arc<World>>, body: Bytes) -> Response {
    match Rule::parse(&body).and_then(|rule| world.faults.add(rule)) {
        Ok(()) => shown(&world),
        Err(fault) => refused(fault),
    }
}

/// `GET /_control?held=N&wait_ms=M`: the rules and the number held, once N are or the time is over.
pub(crate) async fn show(State(world): State<Arc<World>>, uri: Uri) -> Response {
    let mut wanted = 0;
    let mut wait_ms = 0;
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, value.parse::<u64>()) {
            ("held", Ok(held)) => wanted = usize::try_from(held).unwrap_or(usize::MAX),
            ("wait_ms", Ok(ms)) if ms <= LONGEST_WAIT_MS => wait_ms = ms,
            _ => {
                return refused(format!("held=N and wait_ms=M (at most {LONGEST_WAIT_MS}), not {pair}"));
            }
        }
    }
    tokio::select! {
        () = world.stopped.cancelled() => {}
        () = world.holds.wait_held(wanted, Duration::from_millis(wait_ms)) => {}
    }
    shown(&world)
}

/// `DELETE /_control`: no rules, and what is held goes on.
pub(crate) async fn back_to_normal(State(world): State<Arc<World>>) -> Response {
    // In this order: a request between the two steps finds no rule and so holds nothing.
    world.faults.clear();
    world.holds.release();
    shown(&world)
}

/// `GET /_log`
pub(crate) async fn show_log(State(world): State<Arc<World>>) -> Response {
    match world.log.to_json() {
        Ok(json) => reply(StatusCode::OK, json),
        Err(error) => {
            tracing::error!(%error, "the log can't be shown");
            WireError::of_status(500, "").response()
        }
    }
}

/// `DELETE /_log`
pub(crate) async fn clear_log(State(world): State<Arc<World>>) -> Response {
    world.log.clear();
    reply(StatusCode::OK, "[]")
}

/// `GET /.well-known/jwks.json`, `/sso/jwks/{client_id}`
pub(crate) async fn jwks(State(world): State<Arc<World>>) -> Response {
    reply(StatusCode::OK, world.issuer.jwks().to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    org: String,
    user: String,
    role: String,
    permissions: Option<Vec<String>>,
    expires_s: Option<u64>,
}

/// `POST /_token {org, user, role, permissions?, expires_s?}`
pub(crate) async fn token(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let body: TokenBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return refused(error.to_string()),
    };
    if body.org.trim().is_empty() || body.user.trim().is_empty() {
        return refused("org and user need a name");
    }
    let role: Role = match body.role.parse() {
        Ok(role) => role,
        Err(error) => return refused(format!("{error}")),
    };
    let mut request = TokenRequest::new(body.org, body.user, role);
    if let Some(permissions) = body.permissions {
        request.permissions = permissions;
    }
    if let Some(seconds) = body.expires_s {
        if seconds > LONGEST_TOKEN_S {
            return refused(format!("expires_s is at most {LONGEST_TOKEN_S}"));
        }
        request.expires_in = Duration::from_secs(seconds);
    }
    let token = world.issuer.token(&request);
    reply(StatusCode::OK, json!({"token": token}).to_string())
}

/// `GET /health`
pub(crate) async fn health() -> Response {
    reply(StatusCode::OK, r#"{"status":"ok"}"#)
}

fn refuse_route(world: &World, request: &Request, error: &WireError) -> Response {
    let asked = Asked { path: request.uri().path().to_owned(), ..Asked::default() };
    // A client with a wrong base URL is found in the log.
    world.log.open(Dialect::of(request.uri().path()), asked).end(End::Status(error.status));
    let dialect = Dialect::of(request.uri().path());
    dialect.finish(dialect.refuse(error), Instant::now(), 0, None)
}

/// Any other path.
pub(crate) async fn no_such_route(State(world): State<Arc<World>>, request: Request) -> Response {
    let error = WireError::no_such_route(request.method().as_str(), request.uri().path());
    refuse_route(&world, &request, &error)
}

/// A known path, asked in another way.
pub(crate) async fn wrong_method(State(world): State<Arc<World>>, request: Request) -> Response {
    let error = WireError::wrong_method(request.method().as_str(), request.uri().path());
    refuse_route(&world, &request, &error)
}
