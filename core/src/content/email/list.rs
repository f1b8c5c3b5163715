//! Lists of emails: the latest versions, filtered and in order.

use sqlx::types::Json;

use super::read::{Email, select};
use crate::content::generated::Warning;
use crate::content::listing::{Slice, Sort};
use crate::content::written::{Lead, WrittenFilter};
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

/// A page in an order that an index has: by time, or by name.
macro_rules! in_order {
    ($org:expr, $filter:expr, $slice:expr, $key:expr, $order:tt) => {
        filtered!(select, $org, $filter, [$order], $key, $slice.after_id(), $slice.limit).fetch_all(tx!()).await?
    };
}

/// A page of what an index leads to, put in order.
macro_rules! put_in_order {
    ($org:expr, $filter:expr, $slice:expr, $lead:tt) => {
        filtered!(
            select,
            $org,
            $filter,
            [
                $lead
                "AND CASE $17::text
                   WHEN 'newest' THEN (e.created_at, e.email_id) < (coalesce($13, 'infinity'::timestamptz), coalesce($15, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                   WHEN 'oldest' THEN (e.created_at, e.email_id) > (coalesce($13, '-infinity'::timestamptz), coalesce($15, '00000000-0000-0000-0000-000000000000'::uuid))
                   WHEN 'name' THEN (e.name, e.email_id) > (coalesce($14, ''), coalesce($15, '00000000-0000-0000-0000-000000000000'::uuid))
                   ELSE $14::text IS NULL OR (e.name, e.email_id) < ($14, $15) END
                 ORDER BY CASE WHEN $17 = 'newest' THEN e.created_at END DESC, CASE WHEN $17 = 'oldest' THEN e.created_at END,
                   CASE WHEN $17 = 'name' THEN e.name END, CASE WHEN $17 = 'name_backwards' THEN e.name END DESC,
                   CASE WHEN $17 IN ('oldest', 'name') THEN e.email_id END, e.email_id DESC
                 LIMIT $16"
            ],
            $slice.after_time(),
            $slice.after_name(),
            $slice.after_id(),
            $slice.limit,
            $slice.sort.as_str()
        )
    };
}
