//! What an organisation keeps by id: listed, made, read, changed, put away and brought back, each alike. A noun says what it
//! is and how its rows are reached; its routes are a line each.

use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hellosales_core::content::Total;
use hellosales_core::content::listing::{Place, Slice, Sort};
use hellosales_core::database::OrgTx;
use hellosales_core::idempotency::{self, ClaimError, Claimed, KeyedRequest};
use hellosales_core::{DatabaseError, OrgId};
use serde::Serialize;
use uuid::Uuid;

use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{ETag, IfMatch};
use crate::page::{List, PageQuery, Scope};
use crate::routes::{REPLAYED, json, with_header};
use crate::state::AppState;
use crate::turn::{in_flight, key_reused};

/// A noun.
pub(crate) trait Resource: 'static {
    /// Its id.
    type Id: Copy + fmt::Display + From<Uuid> + Send + Sync + 'static;
    /// Which of them.
    type Filter: Serialize + Send + Sync;
    /// A row.
    type Row: Send + 'static;
    /// What leaves.
    type Object: From<Self::Row> + Serialize;
    /// What makes one.
    type New: Send + 'static;
    /// What changes one.
    type Change: Send + 'static;

    /// What its object is called.
    const OBJECT: &'static str;
    /// Where it lives.
    const PATH: &'static str;

    /// The answer where there is none, and where it is another organisation's.
    fn absent() -> Problem;

    /// The state of a row.
    fn etag(row: &Self::Row) -> ETag;

    /// Where a row stands in an order.
    fn place(row: &Self::Row, sort: Sort) -> Place;

    /// A page, and how many there are in all.
    fn list(
        org: &mut OrgTx<'_>,
        filter: &Self::Filter,
        slice: &Slice,
    ) -> impl Future<Output = Result<(Vec<Self::Row>, Total), DatabaseError>> + Send;

    /// One, be it shown or put away.
    fn get(org: &mut OrgTx<'_>, id: Self::Id) -> impl Future<Output = Result<Option<Self::Row>, DatabaseError>> + Send;

    /// The same, and its lock.
    fn lock(org: &mut OrgTx<'_>, id: Self::Id)
    -> impl Future<Output = Result<Option<Self::Row>, DatabaseError>> + Send;

    /// Writes a new one.
    fn create(org: &mut OrgTx<'_>, id: Self::Id, new: Self::New) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Changes a locked one; nothing is written where nothing changes.
    fn change(
        org: &mut OrgTx<'_>,
        row: Self::Row,
        change: Self::Change,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// The change that puts one away.
    fn put_away() -> Self::Change;
}

/// Which part of which list.
#[derive(Debug)]
pub(crate) struct ListQuery<F> {
    /// The page.
    pub page: PageQuery,
    /// The order.
    pub sort: Sort,
    /// Which rows.
    pub filter: F,
}

/// A page.
pub(crate) async fn list<R: Resource>(
    state: &AppState,
    caller: &Caller,
    query: ListQuery<R::Filter>,
) -> Result<Response, Problem> {
    let mut scope = Scope::new(R::PATH, caller.org(), caller.user(), &query.filter);
    let slice = scope.slice(&query.page, query.sort)?;
    // The fast pool's plans read a list in its own order, by its index.
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    let (rows, total) = R::list(&mut org, &query.filter, &slice).await?;
    let page: List<R::Object> = scope.page(rows, query.page.limit, total, |row| R::place(row, query.sort));
    Ok(json(StatusCode::OK, &page))
}

/// Makes one, once for a key.
pub(crate) async fn create<R: Resource>(
    state: &AppState,
    caller: &Caller,
    key: Option<KeyedRequest>,
    new: R::New,
) -> Result<Response, Problem> {
    let (work, org) = (state.clone(), caller.org());
    let made = state.detached(async move { make::<R>(&work, org, key, new).await }).await?;
    let location = format!("{}/{}", R::PATH, made.id);
    let response = with_header(whole::<R>(StatusCode::CREATED, made.row), "location", &location);
    Ok(if made.replayed { with_header(response, REPLAYED.0, REPLAYED.1) } else { response })
}

struct Made<R: Resource> {
    id: R::Id,
    row: R::Row,
    replayed: bool,
}

async fn make<R: Resource>(
    state: &AppState,
    org: OrgId,
    key: Option<KeyedRequest>,
    new: R::New,
) -> Result<Made<R>, Problem> {
    let mut tx = state.db.begin().await?;
    let mut inside = tx.enter(org).await?;
    let fresh = Uuid::now_v7();
    let known = claim(&mut inside, key.as_ref(), R::OBJECT, fresh).await?;
    let id = R::Id::from(known.unwrap_or(fresh));
    if known.is_none() {
        R::create(&mut inside, id, new).await?;
    }
    let row = R::get(&mut inside, id).await?.ok_or_else(R::absent)?;
    if known.is_none() {
        tx.commit().await?;
    }
    Ok(Made { id, row, replayed: known.is_some() })
}

/// Claims a request's key, if it has one, for what it is about to make; the id of what the same request made before.
pub(crate) async fn claim(
    org: &mut OrgTx<'_>,
    key: Option<&KeyedRequest>,
    object: &str,
    id: Uuid,
) -> Result<Option<Uuid>, Problem> {
    let Some(key) = key else { return Ok(None) };
    match idempotency::claim(org, key, object, id).await {
        Ok(Claimed::New) => Ok(None),
        Ok(Claimed::Replay(id)) => Ok(Some(id)),
        Ok(Claimed::Reused) => Err(key_reused()),
        Err(ClaimError::InFlight) => Err(in_flight()),
        Err(ClaimError::Database(error)) => Err(error.into()),
    }
}

/// One.
pub(crate) async fn get<R: Resource>(state: &AppState, caller: &Caller, id: R::Id) -> Result<Response, Problem> {
    let mut tx = state.db.begin_fast().await?;
    let mut org = tx.enter(caller.org()).await?;
    let row = R::get(&mut org, id).await?.ok_or_else(R::absent)?;
    Ok(whole::<R>(StatusCode::OK, row))
}

/// Changes one that is as its editor has seen it.
pub(crate) async fn change<R: Resource>(
    state: &AppState,
    caller: &Caller,
    (id, expected): (R::Id, IfMatch),
    change: R::Change,
) -> Result<Response, Problem> {
    let (work, org) = (state.clone(), caller.org());
    let row = state.detached(async move { rewrite::<R>(&work, org, (id, expected), change).await }).await?;
    Ok(whole::<R>(StatusCode::OK, row))
}

/// Puts one away: it leaves the lists, and can be brought back. Twice is as good as once.
pub(crate) async fn put_away<R: Resource>(
    state: &AppState,
    caller: &Caller,
    (id, expected): (R::Id, IfMatch),
) -> Result<Response, Problem> {
    let (work, org) = (state.clone(), caller.org());
    state.detached(async move { rewrite::<R>(&work, org, (id, expected), R::put_away()).await.map(drop) }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rewrite<R: Resource>(
    state: &AppState,
    org: OrgId,
    (id, expected): (R::Id, IfMatch),
    change: R::Change,
) -> Result<R::Row, Problem> {
    let mut tx = state.db.begin().await?;
    let mut inside = tx.enter(org).await?;
    let row = R::lock(&mut inside, id).await?.ok_or_else(R::absent)?;
    expected.check(&R::etag(&row))?;
    R::change(&mut inside, row, change).await?;
    let row = R::get(&mut inside, id).await?.ok_or_else(R::absent)?;
    tx.commit().await?;
    Ok(row)
}

/// An object with its tag.
fn whole<R: Resource>(status: StatusCode, row: R::Row) -> Response {
    R::etag(&row).on(json(status, &R::Object::from(row)))
}
