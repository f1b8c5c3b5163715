//! The document that describes the routes: generated from them, so that it can't say anything else.

mod complete;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(title = "HelloSales", description = "AI sales text, from a durable job queue."),
    components(schemas(crate::error::ProblemBody))
)]
struct Document;

/// Routes and document together.
pub(crate) fn collect<const N: usize>(
    routers: [OpenApiRouter<AppState>; N],
) -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let mut all = OpenApiRouter::with_openapi(Document::openapi());
    for router in routers {
        all = all.merge(router);
    }
    let (router, mut document) = all.split_for_parts();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
    document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    (router, document)
}

/// Adds `GET /openapi.json`.
pub(crate) fn serve(router: Router<AppState>, document: &utoipa::openapi::OpenApi) -> Router<AppState> {
    let json = serde_json::to_value(document).map(complete::complete).unwrap_or_default().to_string();
    router.route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], json)))
}
