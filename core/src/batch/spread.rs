//! A sample: items that differ. Of as many as are looked at, first one of each trade and company, then second ones, in the
//! order of the list: the same list gives the same sample.

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::BatchId;

/// A sample is chosen from so many items, evenly from the whole list.
const LOOKED_AT: i32 = 1_000;

/// Marks `size` of a batch's `total` items.
pub(super) async fn mark(tx: &mut OrgTx<'_>, batch: BatchId, total: i32, size: i32) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    // Never fewer than are wanted.
    let stride = (total / LOOKED_AT.max(size)).max(1);
    sqlx::query!(
        "UPDATE batch_items t SET sampled = true WHERE t.batch_id = $1 AND t.org_id = $2 AND t.n = ANY (ARRAY(
           SELECT o.n FROM (
             SELECT i.n, row_number() OVER (PARTITION BY lower(coalesce(c.industry, '')) ORDER BY i.n) AS of_trade,
               row_number() OVER (PARTITION BY lower(coalesce(c.company, c.id::text)) ORDER BY i.n) AS of_company
             FROM batch_items i CROSS JOIN LATERAL (SELECT x.id, x.industry, x.company FROM clients x WHERE x.id = i.client_id OFFSET 0) c
             WHERE i.batch_id = $1 AND i.org_id = $2 AND i.n % $4 = 0
           ) o ORDER BY o.of_company, o.of_trade, o.n LIMIT $3))",
        batch.uuid(),
        org,
        i64::from(size),
        stride,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
