//! Giving back: a call that is closed holds nothing more, and has used what it did.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::Need;
use crate::database::Tx;
use crate::error::DatabaseError;

/// A call that was closed just now, and that its organisation's budget counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GivenBack {
    pub(crate) org: Uuid,
    /// In whose windows.
    pub(crate) counted_at: DateTime<Utc>,
    pub(crate) reserved: Need,
    pub(crate) used: Need,
}

/// Gives back what these calls held, and books what they used. Waits for the budgets' rows, in order: whoever holds one
/// waits for nothing but a higher one. A window that is gone takes nothing any more.
pub(crate) async fn give_back(tx: &mut Tx, calls: &[GivenBack]) -> Result<(), DatabaseError> {
    if calls.is_empty() {
        return Ok(());
    }
    let orgs: Vec<Uuid> = calls.iter().map(|call| call.org).collect();
    let times: Vec<DateTime<Utc>> = calls.iter().map(|call| call.counted_at).collect();
    let reserved_tokens: Vec<i64> = calls.iter().map(|call| call.reserved.tokens).collect();
    let reserved_cents: Vec<Decimal> = calls.iter().map(|call| call.reserved.cents).collect();
    let tokens: Vec<i64> = calls.iter().map(|call| call.used.tokens).collect();
    let cents: Vec<Decimal> = calls.iter().map(|call| call.used.cents).collect();
    sqlx::query!(
        "WITH b AS MATERIALIZED (SELECT org_id FROM budgets WHERE org_id = ANY($1) ORDER BY org_id FOR NO KEY UPDATE),
              v AS (SELECT v.org_id, s.span, s.starts_at, sum(v.reserved_tokens)::bigint AS reserved_tokens, sum(v.reserved_cents) AS reserved_cents,
                      sum(v.tokens)::bigint AS tokens, sum(v.cents) AS cents
                    FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::numeric[], $5::bigint[], $6::numeric[])
                      AS v(org_id, at, reserved_tokens, reserved_cents, tokens, cents)
                    CROSS JOIN LATERAL (VALUES ('day', date_trunc('day', v.at, 'UTC')),
                      ('slice', date_bin('5 seconds', v.at, '1970-01-01 00:00:00+00'))) AS s(span, starts_at)
                    GROUP BY 1, 2, 3)
         UPDATE budget_windows w SET tokens = w.tokens + v.tokens, cents = w.cents + v.cents,
           reserved_tokens = w.reserved_tokens - v.reserved_tokens, reserved_cents = w.reserved_cents - v.reserved_cents
         FROM b JOIN v ON v.org_id = b.org_id
         WHERE w.org_id = ANY($1) AND w.org_id = v.org_id AND w.span = v.span AND w.starts_at = v.starts_at",
        &orgs,
        &times,
        &reserved_tokens,
        &reserved_cents,
        &tokens,
        &cents,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
