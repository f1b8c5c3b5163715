//! The company profile: one for each organisation.

mod body;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::OrgId;
use hellosales_core::content::company_profile::{self, CompanyProfile, KeptProfile};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::ProfileBody;
use super::json;
use crate::auth::{ContentRead, ContentWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, ETag, IfMatch, Query, RequiredIfMatch};
use crate::object::CompanyProfileObject;
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get, put, patch))
}

/// The organisation's profile; empty, and of version 0, until it is first written.
#[utoipa::path(get, path = "/company-profile", tag = "content", responses((status = 200, body = CompanyProfileObject)))]
async fn get(State(state): State<AppState>, may: May<ContentRead>, _: Query<()>) -> Result<Response, Problem> {
    let org = may.caller.org();
    let mut tx = state.db.begin_fast().await?;
    let kept = company_profile::get(&mut tx.enter(org).await?).await?;
    Ok(whole(org, kept))
}

/// Writes the whole profile: what is left out is cleared.
#[utoipa::path(put, path = "/company-profile", tag = "content", request_body = ProfileBody,
    params(("If-Match" = String, Header)),
    responses((status = 200, body = CompanyProfileObject), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
async fn put(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (_, expected): (Query<()>, RequiredIfMatch),
    body: Body<ProfileBody>,
) -> Result<Response, Problem> {
    let profile = body.content.apply(CompanyProfile::default());
    change(&state, may.caller.org(), expected.0, |_| profile).await
}

/// Changes the profile.
#[utoipa::path(patch, path = "/company-profile", tag = "content", request_body = ProfileBody,
    params(("If-Match" = String, Header)),
    responses((status = 200, body = CompanyProfileObject), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
async fn patch(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (_, expected): (Query<()>, RequiredIfMatch),
    body: Body<ProfileBody>,
) -> Result<Response, Problem> {
    change(&state, may.caller.org(), expected.0, |profile| body.content.apply(profile)).await
}

async fn change(
    state: &AppState,
    org: OrgId,
    expected: IfMatch,
    become_of: impl FnOnce(CompanyProfile) -> CompanyProfile + Send + 'static,
) -> Result<Response, Problem> {
    let work = state.clone();
    let kept = state.detached(async move { write(&work, org, &expected, become_of).await }).await?;
    Ok(whole(org, kept))
}

async fn write(
    state: &AppState,
    org: OrgId,
    expected: &IfMatch,
    become_of: impl FnOnce(CompanyProfile) -> CompanyProfile,
) -> Result<KeptProfile, Problem> {
    let mut tx = state.db.begin().await?;
    let mut inside = tx.enter(org).await?;
    // An empty row to lock, if there is none: of two who write the first profile, one sees what the other wrote.
    let is_first = company_profile::upsert(&mut inside, &CompanyProfile::default()).await?;
    let mut found = company_profile::lock(&mut inside).await?;
    if is_first {
        found.version = 0;
    }
    expected.check(&ETag::version(found.version))?;
    let profile = become_of(found.profile.clone());
    if profile != found.profile || is_first {
        company_profile::save(&mut inside, &profile, found.version + 1).await?;
    }
    let kept = company_profile::get(&mut inside).await?;
    tx.commit().await?;
    Ok(kept)
}

/// The object with its tag.
fn whole(org: OrgId, kept: KeptProfile) -> Response {
    let tag = ETag::version(kept.version);
    tag.on(json(StatusCode::OK, &CompanyProfileObject::of(org, kept)))
}
