//! Whether the process lives, and whether it can work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::{DatabaseError, ErrorCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json;
use crate::error::{Problem, ProblemBody};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    #[schema(example = "health")]
    object: &'static str,
    #[schema(example = "ok")]
    status: &'static str,
    version: &'static str,
}

/// That the process can work.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    #[schema(example = "readiness")]
    object: &'static str,
    #[schema(example = "ready")]
    status: &'static str,
    /// The database answers.
    database: bool,
    /// The issuers' keys are known.
    keys: bool,
    /// Wake-ups arrive; without them all works, a little later.
    listening: bool,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses((status = 200, body = Health)))]
async fn health() -> Response {
    json(StatusCode::OK, &Health { object: "health", status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the process can work: its database answers and its issuers' keys are known.
#[utoipa::path(get, path = "/ready", tag = "health", security(()), responses(
    (status = 200, body = Readiness), (status = 503, body = ProblemBody)))]
async fn ready(State(state): State<AppState>) -> Result<Response, Problem> {
    let refuse = |message: &str| Err(Problem::new(ErrorCode::NotReady, message).retry_after(1));
    if state.draining.is_cancelled() {
        return refuse("the process is stopping");
    }
    if let Err(error) = reach(&state).await {
        tracing::warn!(%error, "not ready");
        return refuse("the database can't be reached");
    }
    if !state.jwks.check().await {
        return refuse("the issuer's keys can't be had");
    }
    let listening = state.listener.is_listening();
    Ok(json(StatusCode::OK, &Readiness { object: "readiness", status: "ready", database: true, keys: true, listening }))
}

async fn reach(state: &AppState) -> Result<(), DatabaseError> {
    state.db.begin_fast().await?.commit().await
}
