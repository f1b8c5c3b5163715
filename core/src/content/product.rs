//! What an organisation sells.

mod facts;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::kept::{Kept, texts};
use super::listing::{Slice, Sort};
use super::search::Search;
use super::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ProductId, SessionId};

pub use facts::{ProductFacts, facts};

/// A product, as prompts tell it. What is unknown is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// What kind of thing it is.
    pub category: Option<String>,
    /// What it does.
    pub key_features: Vec<String>,
    /// What it costs, by name.
    pub pricing_info: Map<String, Value>,
    /// Whom it is for.
    pub target_audience: Option<String>,
    /// What it does better than others.
    pub competitive_advantages: Option<String>,
    /// What it is used for.
    pub use_cases: Vec<String>,
}

/// Which products; `None` doesn't ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Whose words begin with these.
    pub search: Option<Search>,
    /// Of this category, in whatever case.
    pub category: Option<String>,
    /// Those that are shown, or those that were put away.
    pub is_active: Option<bool>,
}

struct Row {
    id: ProductId,
    name: String,
    description: Option<String>,
    category: Option<String>,
    key_features: Json<Value>,
    pricing_info: Json<Value>,
    target_audience: Option<String>,
    competitive_advantages: Option<String>,
    use_cases: Json<Value>,
    is_active: bool,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Kept<Product> {
    fn from(row: Row) -> Self {
        let content = Product {
            id: row.id,
            name: row.name,
            description: row.description,
            category: row.category,
            key_features: texts(&row.key_features.0),
            pricing_info: row.pricing_info.0.as_object().cloned().unwrap_or_default(),
            target_audience: row.target_audience,
            competitive_advantages: row.competitive_advantages,
            use_cases: texts(&row.use_cases.0),
        };
        let (created_at, updated_at) = (row.created_at, row.updated_at);
        Self { content, is_active: row.is_active, version: row.version, created_at, updated_at }
    }
}

/// One statement's columns, for one product and for a page of them.
macro_rules! select {
    ([$($tail:tt)+], $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: ProductId", name, description, category, key_features AS "key_features: Json<Value>",
                 pricing_info AS "pricing_info: Json<Value>", target_audience, competitive_advantages,
                 use_cases AS "use_cases: Json<Value>", is_active, version, created_at, updated_at
               FROM products WHERE org_id = $1 "#
                + $($tail)+,
            $($argument),+
        )
    };
}

/// A product, whether it is shown or was put away.
///
/// # Errors
/// If the database can't be read.
pub async fn get(tx: &mut OrgTx<'_>, id: ProductId) -> Result<Option<Kept<Product>>, DatabaseError> {
    let query = select!(["AND id = $2"], tx.org().uuid(), id.uuid());
    Ok(query.fetch_optional(tx.connection()).await?.map(Kept::from))
}

/// The same, and its lock.
///
/// # Errors
/// If the database can't be read, or the lock isn't to be had in time.
pub async fn lock(tx: &mut OrgTx<'_>, id: ProductId) -> Result<Option<Kept<Product>>, DatabaseError> {
    let query = select!(["AND id = $2 FOR NO KEY UPDATE"], tx.org().uuid(), id.uuid());
    Ok(query.fetch_optional(tx.connection()).await?.map(Kept::from))
}

/// The product that a session is about.
///
/// # Errors
/// If the database can't be read.
pub async fn of_session(tx: &mut OrgTx<'_>, session: SessionId) -> Result<Option<Product>, DatabaseError> {
    let query = select!(
        ["AND id = (SELECT product_id FROM sessions WHERE id = $2 AND org_id = $1)"],
        tx.org().uuid(),
        session.uuid()
    );
    Ok(query.fetch_optional(tx.connection()).await?.map(|row| Kept::from(row).content))
}

/// A page of the organisation's products.
///
/// # Errors
/// If the database can't be read.
pub async fn list(tx: &mut OrgTx<'_>, filter: &Filter, slice: &Slice) -> Result<Vec<Kept<Product>>, DatabaseError> {
    macro_rules! page {
        ($tail:tt, $after:expr) => {
            select!(
                ["AND ($2::text IS NULL OR words @@ to_tsquery('simple', nullif($2, ''))) AND ($3::text IS NULL OR lower(category) = lower($3))
               AND ($4::boolean IS NULL OR is_active = $4) " + $tail],
                tx.org().uuid(),
                filter.search.as_ref().map(Search::as_str),
                filter.category,
                filter.is_active,
                $after,
                slice.id_bound(),
                slice.limit
            )
            .fetch_all(tx.connection())
            .await?
        };
    }
    let rows = match slice.sort {
        Sort::Newest => page!(
            "AND (created_at, id) < ($5, $6)
             ORDER BY created_at DESC, id DESC LIMIT $7",
            slice.time_bound()
        ),
        Sort::Oldest => page!(
            "AND (created_at, id) > ($5, $6)
             ORDER BY created_at, id LIMIT $7",
            slice.time_bound()
        ),
        Sort::Name => page!(
            "AND (name, id) > ($5, $6)
             ORDER BY name, id LIMIT $7",
            slice.name_bound()
        ),
        Sort::NameBackwards => page!(
            "AND (name, id) < (CASE WHEN $5::text IS NULL THEN (SELECT max(name) FROM products WHERE org_id = $1) ELSE $5 END, $6)
             ORDER BY name DESC, id DESC LIMIT $7",
            slice.after_name()
        ),
    };
    Ok(rows.into_iter().map(Kept::from).collect())
}

/// How many products [`list`] would give in all.
///
/// # Errors
/// If the database can't be read.
pub async fn count(tx: &mut OrgTx<'_>, filter: &Filter) -> Result<Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM products WHERE org_id = $1
             AND ($2::text IS NULL OR words @@ to_tsquery('simple', nullif($2, ''))) AND ($3::text IS NULL OR lower(category) = lower($3))
             AND ($4::boolean IS NULL OR is_active = $4)
           LIMIT $5) counted"#,
        tx.org().uuid(),
        filter.search.as_ref().map(Search::as_str),
        filter.category,
        filter.is_active,
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

/// Writes a product unless its id is there; tells whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn insert(tx: &mut OrgTx<'_>, product: &Product) -> Result<bool, DatabaseError> {
    create(tx, product, true).await
}

/// Writes a product, shown or put away, unless its id is there; tells whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn create(tx: &mut OrgTx<'_>, product: &Product, is_active: bool) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let done = sqlx::query!(
        "INSERT INTO products (id, org_id, name, description, category, key_features, pricing_info, target_audience,
           competitive_advantages, use_cases, is_active, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, t, t FROM clock_timestamp() t
         ON CONFLICT (id) DO NOTHING",
        product.id.uuid(),
        org,
        product.name,
        product.description,
        product.category,
        Json(&product.key_features) as _,
        Json(&product.pricing_info) as _,
        product.target_audience,
        product.competitive_advantages,
        Json(&product.use_cases) as _,
        is_active,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes what a locked product is from now on: its next version.
///
/// # Errors
/// If the database refuses.
pub async fn save(tx: &mut OrgTx<'_>, product: &Product, is_active: bool) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE products SET name = $3, description = $4, category = $5, key_features = $6, pricing_info = $7,
           target_audience = $8, competitive_advantages = $9, use_cases = $10, is_active = $11,
           version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1 AND org_id = $2",
        product.id.uuid(),
        org,
        product.name,
        product.description,
        product.category,
        Json(&product.key_features) as _,
        Json(&product.pricing_info) as _,
        product.target_audience,
        product.competitive_advantages,
        Json(&product.use_cases) as _,
        is_active,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
