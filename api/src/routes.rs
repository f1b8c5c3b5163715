//! The routes, a file a noun.

mod batches;
mod client_imports;
mod clients;
mod company_profile;
mod dead_letters;
mod emails;
mod events;
mod health;
mod me;
mod messages;
mod operations;
mod products;
mod runs;
mod scripts;
mod sessions;
mod written;

use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::envelope;
use crate::openapi;
use crate::state::AppState;

/// A client may wait this long for a run to end.
pub(crate) const MAX_WAIT_SECONDS: u64 = 60;

/// All routes, and the document that describes them.
pub(crate) fn router(state: AppState) -> axum::Router {
    let (router, document) = openapi::collect([
        health::router(),
        me::router(),
        company_profile::router(),
        products::router(),
        clients::router(),
        sessions::router(),
        messages::router(),
        runs::router(),
        events::router(),
        scripts::router(),
        emails::router(),
        batches::router(),
        client_imports::router(),
        dead_letters::router(),
        operations::router(),
    ]);
    openapi::serve(router, &document)
        .fallback(envelope::not_found)
        .method_not_allowed_fallback(envelope::other_method)
        .layer(middleware::from_fn_with_state(state.clone(), envelope::wrap))
        .with_state(state)
}

/// An object as JSON.
pub(crate) fn json(status: StatusCode, object: &impl Serialize) -> Response {
    match serde_json::to_vec(object) {
        Ok(body) => {
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            crate::error::Problem::new(hellosales_core::ErrorCode::InternalError, "something went wrong on our side")
                .into_response()
        }
    }
}

/// The answer was given before, to the same request.
pub(crate) const REPLAYED: (&str, &str) = ("idempotent-replayed", "true");

/// Adds a header whose value we made.
pub(crate) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
