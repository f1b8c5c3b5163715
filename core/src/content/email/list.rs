//! Lists of emails: the latest versions, filtered and in order.

use sqlx::types::Json;

use super::read::{Email, select};
use crate::content::generated::Warning;
use crate::content::listing::{Slice, Sort};
use crate::content::written::{Lead, WrittenFilter, order_word};
use crate::content::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, EmailId, EmailVersionId, ProductId, RunId, SessionId, UserId};

/// What every list and every count asks of a row.
macro_rules! filtered {
    ($statement:ident, $org:expr, $filter:expr, [$($more:tt)+] $(, $argument:expr)+) => {
        $statement!(
            [
                "WHERE e.org_id = $1 AND e.is_latest AND ($2::text IS NULL OR e.email_type = $2) AND ($3::uuid IS NULL OR e.product_id = $3)
                   AND ($4::uuid IS NULL OR e.client_id = $4) AND ($5::uuid IS NULL OR e.batch_id = $5)
                   AND ($6::text IS NULL OR e.origin = $6) AND ($7::bool IS NULL OR s.is_stale = $7)
                   AND ($8::bool IS NULL OR (e.warnings <> '[]') = $8) AND ($9::jsonb IS NULL OR e.warnings @> $9)
                   AND ($10::timestamptz IS NULL OR e.created_at > $10) AND ($11::bool IS NULL OR e.is_active = $11)
                   AND ($12::text IS NULL OR e.words @@ to_tsquery('simple', nullif($12, ''))) "
                $($more)+
            ],
            $org,
            $filter.kind,
            $filter.product_id.map(ProductId::uuid),
            $filter.client_id.map(ClientId::uuid),
            $filter.batch_id.map(BatchId::uuid),
            $filter.origin,
            $filter.is_stale,
            $filter.has_warnings,
            $filter.warning_of_code(),
            $filter.created_after,
            $filter.is_active,
            $filter.words()
            $(, $argument)+
        )
    };
}

/// A page of the organisation's list, in an order that an index has.
macro_rules! in_order {
    ($tx:ident, $org:expr, $filter:expr, $slice:expr, $key:expr, $order:tt) => {
        filtered!(select, $org, $filter, [$order], $key, $slice.id_bound(), $slice.limit)
            .fetch_all($tx.connection())
            .await?
    };
}

/// A page of what an index leads to, put in order.
macro_rules! put_in_order {
    ($tx:ident, $org:expr, $filter:expr, $slice:expr, $lead:tt) => {
        filtered!(
            select,
            $org,
            $filter,
            [
                $lead
                "AND CASE $17::text
                   WHEN '-created_at' THEN (e.created_at, e.email_id) < ($13, $15)
                   WHEN 'created_at' THEN (e.created_at, e.email_id) > ($13, $15)
                   WHEN 'name' THEN (e.name, e.email_id) > (coalesce($14, ''), $15)
                   ELSE $14::text IS NULL OR (e.name, e.email_id) < ($14, $15) END
                 ORDER BY CASE WHEN $17 = '-created_at' THEN e.created_at END DESC, CASE WHEN $17 = 'created_at' THEN e.created_at END,
                   CASE WHEN $17 = 'name' THEN e.name END, CASE WHEN $17 = '-name' THEN e.name END DESC,
                   CASE WHEN $17 IN ('created_at', 'name') THEN e.email_id END, e.email_id DESC
                 LIMIT $16"
            ],
            $slice.time_bound(),
            $slice.after_name(),
            $slice.id_bound(),
            $slice.limit,
            order_word($slice.sort)
        )
        .fetch_all($tx.connection())
        .await?
    };
}

/// How many an index leads to.
macro_rules! counted {
    ($tx:ident, $org:expr, $filter:expr, $lead:tt) => {
        filtered!(count_of, $org, $filter, [$lead "LIMIT $13) n"], COUNT_LIMIT + 1).fetch_one($tx.connection()).await?
    };
}

macro_rules! count_of {
    ([$($where:tt)+], $($argument:expr),+) => {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM sales_emails e
                 LEFT JOIN products p ON p.org_id = e.org_id AND p.id = e.product_id
                 LEFT JOIN clients c ON c.org_id = e.org_id AND c.id = e.client_id
                 LEFT JOIN company_profiles f ON f.org_id = e.org_id
                 CROSS JOIN LATERAL (SELECT e.run_id IS NOT NULL AND (
                   e.product_id IS NOT NULL AND p.facts_digest IS DISTINCT FROM e.product_digest OR
                   e.client_id IS NOT NULL AND c.facts_digest IS DISTINCT FROM e.client_digest OR
                   f.facts_digest IS DISTINCT FROM e.company_digest) AS is_stale) s "#
                $(+ $where)+,
            $($argument),+
        )
    };
}

/// A page of emails.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut OrgTx<'_>, filter: &WrittenFilter, slice: &Slice) -> Result<Vec<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = match Lead::of(filter) {
        Lead::Order => return list_in_order(tx, filter, slice).await,
        Lead::Client => put_in_order!(tx, org, filter, slice, "AND e.client_id = $4 "),
        Lead::Batch => put_in_order!(tx, org, filter, slice, "AND e.batch_id = $5 "),
    };
    Ok(rows)
}

async fn list_in_order(tx: &mut OrgTx<'_>, filter: &WrittenFilter, slice: &Slice) -> Result<Vec<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = match slice.sort {
        Sort::Newest => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.time_bound(),
            "AND (e.created_at, e.email_id) < ($13, $14)
             ORDER BY e.created_at DESC, e.email_id DESC LIMIT $15"
        ),
        Sort::Oldest => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.time_bound(),
            "AND (e.created_at, e.email_id) > ($13, $14)
             ORDER BY e.created_at, e.email_id LIMIT $15"
        ),
        Sort::Name => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.name_bound(),
            "AND (e.name, e.email_id) > ($13, $14)
             ORDER BY e.name, e.email_id LIMIT $15"
        ),
        Sort::NameBackwards => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.after_name(),
            "AND (e.name, e.email_id) <
               (CASE WHEN $13::text IS NULL THEN (SELECT max(m.name) FROM sales_emails m WHERE m.org_id = $1 AND m.is_latest) ELSE $13 END, $14)
             ORDER BY e.name DESC, e.email_id DESC LIMIT $15"
        ),
    };
    Ok(rows)
}

/// How many emails [`list`] would give in all.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut OrgTx<'_>, filter: &WrittenFilter) -> Result<Total, DatabaseError> {
    let org = tx.org().uuid();
    let count = match Lead::of(filter) {
        Lead::Order => counted!(tx, org, filter, ""),
        Lead::Client => counted!(tx, org, filter, "AND e.client_id = $4 "),
        Lead::Batch => counted!(tx, org, filter, "AND e.batch_id = $5 "),
    };
    Ok(count.into())
}
