//! Products: what is sold.

mod body;

use axum::extract::State;
use axum::response::Response;
use hellosales_core::content::Total;
use hellosales_core::content::kept::Kept;
use hellosales_core::content::listing::{Place, Slice, Sort};
use hellosales_core::content::product::{self, Filter, Product};
use hellosales_core::database::OrgTx;
use hellosales_core::{DatabaseError, ErrorCode, ProductId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::ProductBody;
use crate::auth::{ContentRead, ContentWrite, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, ETag, Id, IdempotencyKey, IfMatch, New, NoBody, Params, Query, ReadQuery};
use crate::object::ProductObject;
use crate::page::{self, List, PageQuery};
use crate::resource::{self, ListQuery, Resource};
use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, patch, delete))
}

impl Resource for Product {
    type Id = ProductId;
    type Filter = Filter;
    type Row = Kept<Self>;
    type Object = ProductObject;
    type New = NewProduct;
    type Change = ProductBody;

    const OBJECT: &'static str = "product";
    const PATH: &'static str = "/products";

    fn absent() -> Problem {
        Problem::new(ErrorCode::ProductNotFound, "there is no such product")
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
        Ok((product::list(org, filter, slice).await?, product::count(org, filter).await?))
    }

    async fn get(org: &mut OrgTx<'_>, id: ProductId) -> Result<Option<Self::Row>, DatabaseError> {
        product::get(org, id).await
    }

    async fn lock(org: &mut OrgTx<'_>, id: ProductId) -> Result<Option<Self::Row>, DatabaseError> {
        product::lock(org, id).await
    }

    async fn create(org: &mut OrgTx<'_>, id: ProductId, New(body): NewProduct) -> Result<(), Problem> {
        let is_active = body.is_active(true);
        product::create(org, &body.make(id), is_active).await?;
        Ok(())
    }

    async fn change(org: &mut OrgTx<'_>, row: Self::Row, change: ProductBody) -> Result<(), Problem> {
        let is_active = change.is_active(row.is_active);
        let changed = change.apply(row.content.clone());
        if changed == row.content && is_active == row.is_active {
            return Ok(());
        }
        product::save(org, &changed, is_active).await?;
        Ok(())
    }

    fn put_away() -> ProductBody {
        ProductBody::away()
    }
}

/// A body that makes a product.
pub(crate) type NewProduct = New<ProductBody>;

impl ReadQuery for ListQuery<Filter> {
    const KNOWN: &'static [&'static str] = &["limit", "cursor", "sort", "q", "category", "is_active"];

    fn read(params: &mut Params) -> Self {
        let filter = Filter {
            search: page::search(params),
            category: params.text("category"),
            is_active: page::is_active(params),
        };
        Self { page: PageQuery::read(params), sort: page::sort(params), filter }
    }
}

/// The organisation's products.
#[utoipa::path(get, path = "/products", tag = "content",
    params(("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, min_length = 1),
           ("sort" = Option<String>, Query, pattern = "^-?(created_at|name)$"),
           ("q" = Option<String>, Query, max_length = 500), ("category" = Option<String>, Query),
           ("is_active" = Option<String>, Query, pattern = "^(true|false|all)$")),
    responses((status = 200, body = List<ProductObject>), (status = 422, body = ProblemBody)))]
async fn list(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Query(query): Query<ListQuery<Filter>>,
) -> Result<Response, Problem> {
    resource::list::<Product>(&state, &may.caller, query).await
}

/// Makes a product.
#[utoipa::path(post, path = "/products", tag = "content", request_body = NewProduct,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = r"\S", pattern = "^[ -~]*[!-~][ -~]*$")),
    responses((status = 201, body = ProductObject), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn create(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    _: Query<()>,
    key: IdempotencyKey,
    body: Body<NewProduct>,
) -> Result<Response, Problem> {
    let key = key.with(may.caller.user(), &body.sha256);
    resource::create::<Product>(&state, &may.caller, key, body.content).await
}

/// A product, be it shown or put away.
#[utoipa::path(get, path = "/products/{id}", tag = "content", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ProductObject), (status = 404, body = ProblemBody)))]
async fn get(
    State(state): State<AppState>,
    may: May<ContentRead>,
    Id(id): Id<ProductId>,
    _: Query<()>,
) -> Result<Response, Problem> {
    resource::get::<Product>(&state, &may.caller, id).await
}

/// Changes a product; `is_active: true` brings back one that was put away.
#[utoipa::path(patch, path = "/products/{id}", tag = "content", request_body = ProductBody,
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = ProductObject), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
async fn patch(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, expected): (Id<ProductId>, Query<()>, IfMatch),
    body: Body<ProductBody>,
) -> Result<Response, Problem> {
    resource::change::<Product>(&state, &may.caller, (id, expected), body.content).await
}

/// Puts a product away: it leaves the lists, and what was made from it stays.
#[utoipa::path(delete, path = "/products/{id}", tag = "content",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody)))]
async fn delete(
    State(state): State<AppState>,
    may: May<ContentWrite>,
    (Id(id), _, expected): (Id<ProductId>, Query<()>, IfMatch),
    _: NoBody,
) -> Result<Response, Problem> {
    resource::put_away::<Product>(&state, &may.caller, (id, expected)).await
}
