//! A batch's items as they are seen, in the order of its list: also while it runs.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::content::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, EmailId, EmailVersionId, RunId};
use crate::run::text_enum;

text_enum! {
    /// Where an item stands, as clients count it.
    ShownStatus {
        /// Not begun.
        Queued = "queued",
        /// Being written.
        Running = "running",
        /// Its email is written.
        Completed = "completed",
        /// Its run failed.
        Failed = "failed",
        /// Cancelled with its batch, or by itself.
        Cancelled = "cancelled",
    }
}

/// Which items.
#[derive(Debug, Clone, Copy, Default)]
pub struct ItemFilter {
    /// That stand so.
    pub status: Option<ShownStatus>,
    /// With, or without, something to look at.
    pub has_warnings: Option<bool>,
}

/// An item, with whom it is for and what became of it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its place in the list, from 0.
    pub n: i32,
    /// Where it stands: one of [`ShownStatus`].
    pub status: String,
    /// Whom it is for.
    pub client_id: ClientId,
    /// That person's name.
    pub client_name: Option<String>,
    /// Where that person works.
    pub client_company: Option<String>,
    /// Where to write to.
    pub client_email: Option<String>,
    /// The run that writes, or wrote, it.
    pub run_id: Option<RunId>,
    /// Why that failed.
    pub failure: Option<Value>,
    /// What it cost so far.
    pub cost_cents: Decimal,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What was written.
    pub email: Option<EmailText>,
}

/// An email, as far as one decides by it whether to send it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of sales_emails, by their names")]
pub struct EmailText {
    pub id: EmailId,
    pub version: i32,
    pub version_id: EmailVersionId,
    pub name: String,
    pub email_type: String,
    pub subject: String,
    pub body: String,
    pub call_to_action: Option<String>,
    pub personalization_fields: Value,
    pub warnings: Value,
    pub origin: String,
}

/// An item that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its place in the list.
    pub n: i32,
    /// When.
    pub at: DateTime<Utc>,
}

struct Row {
    n: i32,
    status: String,
    client_id: ClientId,
    client_name: Option<String>,
    client_company: Option<String>,
    client_email: Option<String>,
    run_id: Option<RunId>,
    failure: Option<Value>,
    cost_cents: Decimal,
    ended_at: Option<DateTime<Utc>>,
    email_id: Option<EmailId>,
    version: Option<i32>,
    version_id: Option<EmailVersionId>,
    email_name: Option<String>,
    email_type: Option<String>,
    subject: Option<String>,
    body: Option<String>,
    call_to_action: Option<String>,
    personalization_fields: Option<Value>,
    email_warnings: Option<Value>,
    origin: Option<String>,
}

/// One statement's columns, for a page of items and for some of them. A client that isn't active any more is named all the
/// same; an email is shown in its latest version, but only of an item that is completed: a sample that was written again has an earlier
/// one, too.
macro_rules! select {
    (@ $where:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT i.n, i.shown AS "status!", i.client_id AS "client_id: ClientId", c.name AS "client_name?", c.company AS "client_company?",
                 c.email AS "client_email?", i.run_id AS "run_id: RunId",
                 CASE WHEN i.shown = 'failed' THEN i.failure END AS failure,
                 i.cost_cents + CASE WHEN i.status = 'admitted' THEN i.run_cost ELSE 0 END AS "cost_cents!",
                 i.ended_at, e.email_id AS "email_id?: EmailId", e.version AS "version?", e.id AS "version_id?: EmailVersionId",
                 e.name AS "email_name?", e.email_type AS "email_type?", e.subject AS "subject?", e.body AS "body?",
                 e.call_to_action AS "call_to_action?", e.personalization_fields AS "personalization_fields?",
                 e.warnings AS "email_warnings?", e.origin AS "origin?"
               FROM (
                 SELECT t.*, r.failure, r.total_cost_cents AS run_cost, r.target_id,
                   CASE t.status
                     WHEN 'waiting' THEN CASE WHEN b.status <> 'cancelling' THEN 'queued' WHEN t.run_id IS NULL THEN 'cancelled' ELSE 'failed' END
                     WHEN 'admitted' THEN CASE WHEN r.status = 'running' AND NOT EXISTS (
                       SELECT 1 FROM pipeline_steps s WHERE s.run_id = t.run_id AND s.status IN ('delayed', 'held')) THEN 'running' ELSE 'queued' END
                     ELSE t.status END AS shown
                 FROM batch_items t JOIN email_batches b ON b.id = t.batch_id
                 LEFT JOIN LATERAL (SELECT status, failure, total_cost_cents, target_id FROM pipeline_runs WHERE id = t.run_id OFFSET 0) r ON true
                 WHERE t.org_id = $1 AND t.batch_id = $2
               ) i
               LEFT JOIN LATERAL (SELECT name, company, email FROM clients WHERE id = i.client_id OFFSET 0) c ON true
               LEFT JOIN LATERAL (
                 SELECT s.* FROM sales_emails s WHERE i.status = 'completed' AND s.batch_id = i.batch_id AND s.batch_n = i.n AND s.is_latest
                 ORDER BY s.email_id = i.target_id DESC NULLS LAST, s.created_at DESC LIMIT 1
               ) e ON true "#
                + $where,
            $($argument),+
        )
    };
    ($($tail:tt)+) => {
        select!(@ $($tail)+)
    };
}

/// A page of a batch's items, in the order of its list.
///
/// # Errors
/// If the database can't be read.
pub async fn items(
    tx: &mut OrgTx<'_>,
    batch: BatchId,
    filter: ItemFilter,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<Item>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = select!(
        "WHERE i.n > $3 AND ($4::text IS NULL OR i.shown = $4) AND ($5::boolean IS NULL OR (i.warnings > 0) = $5) ORDER BY i.n LIMIT $6",
        org,
        batch.uuid(),
        after.unwrap_or(-1),
        filter.status.map(ShownStatus::as_str),
        filter.has_warnings,
        limit
    );
    Ok(rows.fetch_all(tx.connection()).await?.into_iter().map(Item::from).collect())
}

/// These of a batch's items, in the order of its list.
///
/// # Errors
/// If the database can't be read.
pub async fn items_by_n(tx: &mut OrgTx<'_>, batch: BatchId, ns: &[i32]) -> Result<Vec<Item>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = select!("WHERE i.n = ANY ($3) ORDER BY i.n", org, batch.uuid(), ns);
    Ok(rows.fetch_all(tx.connection()).await?.into_iter().map(Item::from).collect())
}

/// How many [`items`] would give in all.
///
/// # Errors
/// If the database can't be read.
pub async fn count_items(tx: &mut OrgTx<'_>, batch: BatchId, filter: ItemFilter) -> Result<Total, DatabaseError> {
    let org = tx.org().uuid();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
             SELECT 1 FROM batch_items i JOIN email_batches b ON b.id = i.batch_id
             LEFT JOIN LATERAL (SELECT status FROM pipeline_runs WHERE i.status = 'admitted' AND id = i.run_id OFFSET 0) r ON true
             WHERE i.org_id = $1 AND i.batch_id = $2
               AND ($3::text IS NULL OR $3 = CASE i.status
                 WHEN 'waiting' THEN CASE WHEN b.status <> 'cancelling' THEN 'queued' WHEN i.run_id IS NULL THEN 'cancelled' ELSE 'failed' END
                 WHEN 'admitted' THEN CASE WHEN r.status = 'running' AND NOT EXISTS (
                   SELECT 1 FROM pipeline_steps s WHERE s.run_id = i.run_id AND s.status IN ('delayed', 'held')) THEN 'running' ELSE 'queued' END
                 ELSE i.status END)
               AND ($4::boolean IS NULL OR (i.warnings > 0) = $4)
             LIMIT $5) one"#,
        org,
        batch.uuid(),
        filter.status.map(ShownStatus::as_str),
        filter.has_warnings,
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

/// The items that ended after a time, the earliest first: what they are can be read by their places.
///
/// # Errors
/// If the database can't be read.
pub async fn ended_since(
    tx: &mut OrgTx<'_>,
    batch: BatchId,
    since: (DateTime<Utc>, i32),
    limit: i64,
) -> Result<Vec<Ended>, DatabaseError> {
    let org = tx.org().uuid();
    Ok(sqlx::query_as!(
        Ended,
        r#"SELECT n, ended_at AS "at!" FROM batch_items
           WHERE batch_id = $1 AND org_id = $2 AND ended_at IS NOT NULL AND (ended_at, n) > ($3, $4) ORDER BY ended_at, n LIMIT $5"#,
        batch.uuid(),
        org,
        since.0,
        since.1,
        limit,
    )
    .fetch_all(tx.connection())
    .await?)
}

impl From<Row> for Item {
    fn from(row: Row) -> Self {
        Self {
            email: text(&row),
            n: row.n,
            status: row.status,
            client_id: row.client_id,
            client_name: row.client_name,
            client_company: row.client_company,
            client_email: row.client_email,
            run_id: row.run_id,
            failure: row.failure,
            cost_cents: row.cost_cents,
            ended_at: row.ended_at,
        }
    }
}

fn text(row: &Row) -> Option<EmailText> {
    Some(EmailText {
        id: row.email_id?,
        version: row.version?,
        version_id: row.version_id?,
        name: row.email_name.clone()?,
        email_type: row.email_type.clone()?,
        subject: row.subject.clone()?,
        body: row.body.clone()?,
        call_to_action: row.call_to_action.clone(),
        personalization_fields: row.personalization_fields.clone()?,
        warnings: row.email_warnings.clone()?,
        origin: row.origin.clone()?,
    })
}
