//! `GET /auth/me`.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::json;
use crate::auth::{May, SignedIn};
use crate::error::ProblemBody;
use crate::extract::Query;
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(me))
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
struct User {
    #[schema(example = "user")]
    object: &'static str,
    id: Uuid,
    email: Option<String>,
    name: Option<String>,
}

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
struct Organization {
    #[schema(example = "organization")]
    object: &'static str,
    id: Uuid,
    name: String,
}

/// Who calls, for whom, and what that person may do.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    #[schema(example = "me")]
    object: &'static str,
    id: Uuid,
    user: User,
    organization: Organization,
    role: &'static str,
    permissions: Vec<&'static str>,
}

/// Who calls, for whom, and what that person may do.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses(
    (status = 200, body = Me), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
async fn me(may: May<SignedIn>, _: Query<()>) -> Response {
    let caller = may.caller;
    let (user, organization) = (caller.user().uuid(), caller.org().uuid());
    json(
        StatusCode::OK,
        &Me {
            object: "me",
            id: user,
            user: User { object: "user", id: user, email: caller.identity.email, name: caller.identity.name },
            organization: Organization { object: "organization", id: organization, name: caller.identity.org_name },
            role: caller.role,
            permissions: caller.permissions.iter().map(|permission| permission.as_str()).collect(),
        },
    )
}
