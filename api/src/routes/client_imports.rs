//! Clients by file: `POST /clients/import`, `GET /clients/imports/{id}`.

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::content::client_import::{self, Mode};
use hellosales_core::{ErrorCode, ImportId, OrgId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{REPLAYED, json, with_header};
use crate::auth::{ContentRead, ContentWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::body::check_type;
use crate::extract::{Id, IdempotencyKey, Params, Query, ReadQuery};
use crate::import::{self, Done, Errand};
use crate::object::client_import::{ImportObject, path};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(receive)).routes(routes!(show))
}

const MODES: &[(&str, Mode)] = &[("keep_good", Mode::KeepGood), ("all_or_nothing", Mode::AllOrNothing)];

/// What is to become of a file.
#[derive(Debug, Clone, Copy)]
struct Options {
    mode: Mode,
    dry_run: bool,
}

impl ReadQuery for Options {
    const KNOWN: &'static [&'static str] = &["mode", "dry_run"];

    fn read(params: &mut Params) -> Self {
        Self {
            mode: params.word("mode", MODES).unwrap_or(Mode::KeepGood),
            dry_run: params.flag("dry_run").unwrap_or(false),
        }
    }
}

/// A request whose body is a file that nobody has read yet.
struct File {
    key: IdempotencyKey,
    request: Request,
}

impl FromRequest<AppState> for File {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        check_type(request.headers(), "text/csv")?;
        let (mut parts, body) = request.into_parts();
        let key = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        Ok(Self { key, request: Request::from_parts(parts, body) })
    }
}

/// Takes clients from a CSV file. A row is known again by `external_id`, else email, else name and company, without
/// regard to case; an empty cell leaves what is there; a deleted client comes back.
#[utoipa::path(post, path = "/clients/import", tag = "content",
    request_body(content = String, content_type = "text/csv", description = "UTF-8; columns by name, `name` must be there; at most 50,000 rows and 64 MiB"),
    params(("mode" = Option<String>, Query, pattern = "^(keep_good|all_or_nothing)$", description = "what becomes of the good rows if others are rejected: `keep_good` unless told"),
           ("dry_run" = Option<bool>, Query, description = "only say what would be"),
           ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 200, body = ImportObject), (status = 409, body = ProblemBody), (status = 413, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
async fn receive(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    Query(Options { mode, dry_run }): Query<Options>,
    file: File,
) -> Result<Response, Problem> {
    let (org, user) = (may.caller.org(), may.caller.user());
    let errand = Errand { org, user, mode, dry_run, key: file.key };
    let (id, replayed) = match import::receive(&state, errand, file.request).await? {
        Done::Nothing(file, counts) => {
            return Ok(json(StatusCode::OK, &ImportObject::unwritten(file, counts, dry_run)));
        }
        Done::Applied(id) => (id, false),
        Done::Replayed(id) => (id, true),
    };
    let response = with_header(json(StatusCode::OK, &read(&state, org, id).await?), "location", &path(id));
    Ok(if replayed { with_header(response, REPLAYED.0, REPLAYED.1) } else { response })
}

/// What a file did.
#[utoipa::path(get, path = "/clients/imports/{id}", tag = "content", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ImportObject), (status = 404, body = ProblemBody)))]
async fn show(
    State(state): State<AppState>,
    may: May<ContentRead>,
    (Id(id), _): (Id<ImportId>, Query<()>),
) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &read(&state, may.caller.org(), id).await?))
}

async fn read(state: &AppState, org: OrgId, id: ImportId) -> Result<ImportObject, Problem> {
    let mut tx = state.db.begin_fast().await?;
    let import = client_import::get(&mut tx.enter(org).await?, id).await?;
    import.map(ImportObject::from).ok_or_else(|| Problem::new(ErrorCode::ImportNotFound, "there is no such import"))
}
