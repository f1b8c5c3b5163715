//! Clients: whom it is sold to.

mod body;

use axum::extract::State;
use axum::response::Response;
use hellosales_core::content::Total;
use hellosales_core::content::client::{self, Client, ClientError, Filter};
use hellosales_core::content::kept::Kept;
use hellosales_core::content::listing::{Place, Slice, Sort};
use hellosales_core::database::OrgTx;
use hellosales_core::{ClientId, DatabaseError, ErrorCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::ClientBody;
use crate::auth::{ContentRead, ContentWrite, May};
use crate::error::{Fault, Problem, ProblemBody};
use crate::extract::{Body, ETag, Id, IdempotencyKey, IfMatch, New, NoBody, Params, Query, ReadQuery};
use crate::object::ClientObject;
use crate::page::{self, List, PageQuery};
use crate::resource::{self, ListQuery, Resource};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, patch, delete))
}

impl Resource for Client {
    type Id = ClientId;
    type Filter = Filter;
    type Row = Kept<Self>;
    type Object = ClientObject;
    type New = NewClient;
    type Change = ClientBody;

    const OBJECT: &'static str = "client";
    const PATH: &'static str = "/clients";

    fn absent() -> Problem {
        Problem::new(ErrorCode::ClientNotFound, "there is no such client")
    }

    fn etag(row: &Self::Row) -> ETag {
        ETag::version(row.version)
    }

    fn place(row: &Self::Row, sort: Sort) -> Place {
        sort.place(row.created_at, &row.content.name, row.content.id.uuid())
    }

    async fn list(
        org: &mut OrgTx<'_>,
        filter: &Filter,
        slice: &Slice,
    ) -> Result<(Vec<Self::Row>, Total), DatabaseError> {
        Ok((client::list(org, filter, slice).await?, client::count(org, filter).await?))
    }

    async fn get(org: &mut OrgTx<'_>, id: ClientId) -> Result<Option<Self::Row>, DatabaseError> {
        client::get(org, id).await
    }

    async fn lock(org: &mut OrgTx<'_>, id: ClientId) -> Result<Option<Self::Row>, DatabaseError> {
        client::lock(org, id).await
    }

    async fn create(org: &mut OrgTx<'_>, id: ClientId, New(body): NewClient) -> Result<(), Problem> {
        let is_active = body.is_active(true);
        client::create(org, &body.make(id), is_active).await.map_err(refused)
    }

    async fn change(org: &mut OrgTx<'_>, row: Self::Row, change: ClientBody) -> Result<(), Problem> {
        let is_active = change.is_active(row.is_active);
        let changed = change.apply(row.content.clone());
        if changed == row.content && is_active == row.is_active {
            return Ok(());
        }
        client::save(org, &changed, is_active).await.map_err(refused)
    }

    fn put_away() -> ClientBody {
        ClientBody::away()
    }
}

/// A body that makes a client.
pub(crate) type NewClient = New<ClientBody>;

/// Why a client can't be written, for whoever writes it.
fn refused(error: ClientError) -> Problem {
    match error {
        ClientError::ExternalIdTaken => {
            let message = "is another client's (perhaps of one that was put away: is_active=all lists those, too)";
            Problem::invalid(vec![Fault::new("/external_id", "taken", message)])
        }
        ClientError::Database(error) => error.into(),
    }
}

impl ReadQuery for ListQuery<Filter> {
    const KNOWN: &'static [&'static str] =
        &["limit", "cursor", "sort", "q", "industry", "company", "is_active", "has_email", "import_id"];

    fn read(params: &mut Params) -> Self {
        let filter = Filter {
            search: page::search(params),
            industry: params.text("industry"),
            company: params.text("company"),
            is_active: page::is_active(params),
            has_email: params.flag("has_email"),
            import_id: params.id("import_id"),
        };
        Self { page: PageQuery::read(params), sort: page::sort(params), filter }
    }
}

/// The organisation's clients.
#[utoipa::path(get, path = "/clients", tag = "content",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("sort" = Option<String>, Query, pattern = "^-?(created_at|name)$"),
           ("q" = Option<String>, Query, max_length = 500), ("industry" = Option<String>, Query),
           ("company" = Option<String>, Query), ("has_email" = Option<bool>, Query), ("import_id" = Option<uuid::Uuid>, Query),
           ("is_active" = Option<String>, Query, pattern = "^(true|false|all)$")),
    responses((status = 200, body = List<ClientObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Query(query): Query<ListQuery<Filter>>,
) -> Result<Response, Problem> {
    resource::list::<Client>(&state, &may.caller, query).await
}

/// Makes a client.
#[utoipa::path(post, path = "/clients", tag = "content", request_body = NewClient,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = r"\S", pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 201, body = ClientObject), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn create(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    _: Query<()>,
    key: IdempotencyKey,
    body: Body<NewClient>,
) -> Result<Response, Problem> {
    let key = key.with(may.caller.user(), &body.sha256);
    resource::create::<Client>(&state, &may.caller, key, body.content).await
}

/// A client, be it shown or put away.
#[utoipa::path(get, path = "/clients/{id}", tag = "content", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ClientObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Id(id): Id<ClientId>,
    _: Query<()>,
) -> Result<Response, Problem> {
    resource::get::<Client>(&state, &may.caller, id).await
}

/// Changes a client; `is_active: true` brings back one that was put away.
#[utoipa::path(patch, path = "/clients/{id}", tag = "content", request_body = ClientBody,
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = ClientObject), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
async fn patch(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, expected): (Id<ClientId>, Query<()>, IfMatch),
    body: Body<ClientBody>,
) -> Result<Response, Problem> {
    resource::change::<Client>(&state, &may.caller, (id, expected), body.content).await
}

/// Puts a client away: it leaves the lists, and what was made from it stays.
#[utoipa::path(delete, path = "/clients/{id}", tag = "content",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody)))]
async fn delete(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, expected): (Id<ClientId>, Query<()>, IfMatch),
    _: NoBody,
) -> Result<Response, Problem> {
    resource::put_away::<Client>(&state, &may.caller, (id, expected)).await
}
