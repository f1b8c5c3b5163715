//! Lists of scripts: the latest versions, filtered and in order.

use std::collections::BTreeMap;

use sqlx::types::Json;

use super::read::{Script, select};
use crate::content::generated::Warning;
use crate::content::listing::{Slice, Sort};
use crate::content::written::{Lead, WrittenFilter, order_word};
use crate::content::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, ProductId, RunId, ScriptId, ScriptVersionId, SessionId, UserId};

/// What every list and every count asks of a row.
macro_rules! filtered {
    ($statement:ident, $org:expr, $filter:expr, [$($more:tt)+] $(, $argument:expr)+) => {
        $statement!(
            [
                "WHERE e.org_id = $1 AND e.is_latest AND ($2::text IS NULL OR e.script_type = $2) AND ($3::uuid IS NULL OR e.product_id = $3)
                   AND ($4::uuid IS NULL OR e.client_id = $4)
                   AND ($5::text IS NULL OR e.origin = $5) AND ($6::bool IS NULL OR s.is_stale = $6)
                   AND ($7::bool IS NULL OR (e.warnings <> '[]') = $7) AND ($8::jsonb IS NULL OR e.warnings @> $8)
                   AND ($9::timestamptz IS NULL OR e.created_at > $9) AND ($10::bool IS NULL OR e.is_active = $10)
                   AND ($11::text IS NULL OR e.words @@ to_tsquery('simple', nullif($11, ''))) "
                $($more)+
            ],
            $org,
            $filter.kind,
            $filter.product_id.map(ProductId::uuid),
            $filter.client_id.map(ClientId::uuid),
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
                "AND CASE $16::text
                   WHEN '-created_at' THEN (e.created_at, e.script_id) < ($12, $14)
                   WHEN 'created_at' THEN (e.created_at, e.script_id) > ($12, $14)
                   WHEN 'name' THEN (e.name, e.script_id) > (coalesce($13, ''), $14)
                   ELSE $13::text IS NULL OR (e.name, e.script_id) < ($13, $14) END
                 ORDER BY CASE WHEN $16 = '-created_at' THEN e.created_at END DESC, CASE WHEN $16 = 'created_at' THEN e.created_at END,
                   CASE WHEN $16 = 'name' THEN e.name END, CASE WHEN $16 = '-name' THEN e.name END DESC,
                   CASE WHEN $16 IN ('created_at', 'name') THEN e.script_id END, e.script_id DESC
                 LIMIT $15"
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
        filtered!(count_of, $org, $filter, [$lead "LIMIT $12) n"], COUNT_LIMIT + 1).fetch_one($tx.connection()).await?
    };
}

macro_rules! count_of {
    ([$($where:tt)+], $($argument:expr),+) => {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM sales_scripts e
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

/// A page of scripts.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut OrgTx<'_>, filter: &WrittenFilter, slice: &Slice) -> Result<Vec<Script>, DatabaseError> {
    if filter.batch_id.is_some() {
        // A batch writes emails only.
        return Ok(Vec::new());
    }
    let org = tx.org().uuid();
    let rows = match Lead::of(filter) {
        Lead::Order | Lead::Batch => return list_in_order(tx, filter, slice).await,
        Lead::Client => put_in_order!(tx, org, filter, slice, "AND e.client_id = $4 "),
    };
    Ok(rows)
}

async fn list_in_order(
    tx: &mut OrgTx<'_>,
    filter: &WrittenFilter,
    slice: &Slice,
) -> Result<Vec<Script>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = match slice.sort {
        Sort::Newest => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.time_bound(),
            "AND (e.created_at, e.script_id) < ($12, $13)
             ORDER BY e.created_at DESC, e.script_id DESC LIMIT $14"
        ),
        Sort::Oldest => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.time_bound(),
            "AND (e.created_at, e.script_id) > ($12, $13)
             ORDER BY e.created_at, e.script_id LIMIT $14"
        ),
        Sort::Name => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.name_bound(),
            "AND (e.name, e.script_id) > ($12, $13)
             ORDER BY e.name, e.script_id LIMIT $14"
        ),
        Sort::NameBackwards => in_order!(
            tx,
            org,
            filter,
            slice,
            slice.after_name(),
            "AND (e.name, e.script_id) <
               (CASE WHEN $12::text IS NULL THEN (SELECT max(m.name) FROM sales_scripts m WHERE m.org_id = $1 AND m.is_latest) ELSE $12 END, $13)
             ORDER BY e.name DESC, e.script_id DESC LIMIT $14"
        ),
    };
    Ok(rows)
}

/// How many scripts [`list`] would give in all.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut OrgTx<'_>, filter: &WrittenFilter) -> Result<Total, DatabaseError> {
    if filter.batch_id.is_some() {
        return Ok(0.into());
    }
    let org = tx.org().uuid();
    let count = match Lead::of(filter) {
        Lead::Order | Lead::Batch => counted!(tx, org, filter, ""),
        Lead::Client => counted!(tx, org, filter, "AND e.client_id = $4 "),
    };
    Ok(count.into())
}
