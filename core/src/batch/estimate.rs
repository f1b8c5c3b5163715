//! What a batch may cost and how long it may take, before anything is spent.
//!
//! Cost: what the organisation's last emails of this type and quality mode cost, each with all attempts at it; those of
//! any type if there are too few; else what an email usually costs, which is a setting, since prices are the workers'.
//! Time: how long the model took for those emails, times what is to be written and what the organisation has ahead of it,
//! over the bulk slots of the workers that are alive. What other organisations have waiting is not seen from here, and
//! takes its share: the higher figure allows for one of them.

use rust_decimal::Decimal;

use super::accept::{self, AcceptError, NewBatch};
use super::choose::{self, Chosen};
use crate::content::email::EmailType;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::run::{QualityMode, text_enum};

/// Of so many of an organisation's last emails.
const LAST: i64 = 200;
/// Fewer than these say nothing.
const ENOUGH: i64 = 5;
/// How long a model takes for an email when nothing is known.
const USUAL_LATENCY_MS: i64 = 4_000;
/// What is ahead is counted up to here.
const AHEAD: i64 = 200_000;

text_enum! {
    /// What a cost is made from.
    Basis {
        /// The organisation's last emails of this type and mode.
        RecentOfType = "recent_emails_of_type",
        /// The organisation's last emails of this mode, whatever their type.
        Recent = "recent_emails",
        /// What an email usually costs.
        Usual = "usual",
    }
}

/// What one email costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostPerEmail {
    /// One in ten costs less than this.
    pub low: Decimal,
    /// On average.
    pub expected: Decimal,
    /// One in ten costs more than this.
    pub high: Decimal,
    /// From what.
    pub basis: Basis,
    /// From how many emails.
    pub looked_at: i64,
}

/// What decides how long emails take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePerEmail {
    /// The model's time for one.
    pub latency_ms: i64,
    /// So many are written at once.
    pub slots: i64,
    /// So many of the organisation's own go first.
    pub ahead: i64,
}

/// What a batch would be.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// Emails.
    pub total: i32,
    /// Clients listed before.
    pub duplicates: i32,
    /// Clients not active any more.
    pub inactive: i32,
    /// What one costs.
    pub cost: CostPerEmail,
    /// How long they take; `None` while no worker is alive.
    pub time: Option<TimePerEmail>,
}

/// What this batch would be; nothing is written. `usual_cents`: what an email usually costs.
///
/// # Errors
/// Where `accept` would not accept it, but for the number of batches under way.
pub async fn estimate(tx: &mut OrgTx<'_>, new: &NewBatch, usual_cents: Decimal) -> Result<Estimate, AcceptError> {
    accept::find_product(tx, new.product_id).await?;
    let Chosen { total, duplicates, inactive } = choose::count(tx, &new.choice).await?;
    if new.sample.is_some_and(|sample| sample > total) {
        return Err(AcceptError::SampleTooLarge(total));
    }
    let cost = cost_per_email(tx, new.email_type, new.quality_mode, usual_cents).await?;
    let time = time_per_email(tx, new.quality_mode).await?;
    Ok(Estimate { total, duplicates, inactive, cost, time })
}

/// What one email costs.
///
/// # Errors
/// If the database can't be read.
pub async fn cost_per_email(
    tx: &mut OrgTx<'_>,
    email_type: EmailType,
    mode: QualityMode,
    usual_cents: Decimal,
) -> Result<CostPerEmail, DatabaseError> {
    let org = tx.org().uuid();
    let rows = sqlx::query!(
        r#"WITH last AS (
             SELECT e.email_type = $2 AS of_type, e.cost_cents
             FROM (SELECT email_type, cost_cents, run_id FROM sales_emails WHERE org_id = $1 AND is_latest AND cost_cents IS NOT NULL
                   ORDER BY created_at DESC, email_id DESC LIMIT $4) e
             CROSS JOIN LATERAL (SELECT quality_mode FROM pipeline_runs WHERE id = e.run_id OFFSET 0) r WHERE r.quality_mode = $3)
           SELECT v.of_type AS "of_type!", count(*) AS "count!", avg(l.cost_cents) AS expected,
             percentile_disc(0.1) WITHIN GROUP (ORDER BY l.cost_cents) AS low, percentile_disc(0.9) WITHIN GROUP (ORDER BY l.cost_cents) AS high
           FROM (VALUES (true), (false)) v(of_type) JOIN last l ON l.of_type OR NOT v.of_type
           GROUP BY v.of_type ORDER BY v.of_type DESC"#,
        org,
        email_type.as_str(),
        mode.as_str(),
        LAST,
    )
    .fetch_all(tx.connection())
    .await?;
    for row in rows.into_iter().filter(|row| row.count >= ENOUGH) {
        if let (Some(low), Some(expected), Some(high)) = (row.low, row.expected, row.high) {
            let expected = expected.round_dp(6);
            let basis = if row.of_type { Basis::RecentOfType } else { Basis::Recent };
            let (low, high) = (low.min(expected), high.max(expected));
            return Ok(CostPerEmail { low, expected, high, basis, looked_at: row.count });
        }
    }
    let (half, twice) = (usual_cents / Decimal::TWO, usual_cents * Decimal::TWO);
    Ok(CostPerEmail { low: half, expected: usual_cents, high: twice, basis: Basis::Usual, looked_at: 0 })
}

async fn time_per_email(tx: &mut OrgTx<'_>, mode: QualityMode) -> Result<Option<TimePerEmail>, DatabaseError> {
    let org = tx.org().uuid();
    // A worker keeps a quarter of its slots from batches (`protocol.md` 3).
    let row = sqlx::query!(
        r#"SELECT
             (SELECT sum(greatest(1, w.slots - 2 * greatest(1, w.slots / 8))) FROM workers w
              WHERE w.lease_until > now() AND NOT w.draining) AS slots,
             (SELECT avg(c.latency_ms)::bigint
              FROM (SELECT run_id FROM sales_emails WHERE org_id = $1 AND is_latest AND cost_cents IS NOT NULL
                    ORDER BY created_at DESC, email_id DESC LIMIT $3) e
              CROSS JOIN LATERAL (SELECT quality_mode, llm_provider_call_id FROM pipeline_runs WHERE id = e.run_id OFFSET 0) r
              CROSS JOIN LATERAL (SELECT latency_ms FROM provider_calls WHERE id = r.llm_provider_call_id OFFSET 0) c
              WHERE r.quality_mode = $2) AS latency_ms,
             (SELECT count(*) FROM (
                SELECT 1 FROM email_batches b CROSS JOIN LATERAL (
                  SELECT 1 FROM batch_items i WHERE i.batch_id = b.id AND i.status IN ('waiting', 'admitted')
                    AND (b.is_approved OR i.sampled) OFFSET 0) i
                WHERE b.org_id = $1 AND b.completed_at IS NULL AND b.status = 'running' LIMIT $4) one) AS "ahead!""#,
        org,
        mode.as_str(),
        LAST,
        AHEAD,
    )
    .fetch_one(tx.connection())
    .await?;
    let Some(slots) = row.slots.filter(|slots| *slots > 0) else { return Ok(None) };
    let latency_ms = row.latency_ms.unwrap_or(USUAL_LATENCY_MS).max(1);
    Ok(Some(TimePerEmail { latency_ms, slots, ahead: row.ahead }))
}

impl TimePerEmail {
    /// Whole seconds for so many emails: with nothing ahead; as things are; with another organisation's share besides.
    #[must_use]
    pub fn seconds(&self, emails: i64) -> (i64, i64, i64) {
        let rounds = |emails: i64| (emails + self.slots.max(1) - 1) / self.slots.max(1) * self.latency_ms;
        let seconds = |ms: i64| ((ms + 999) / 1_000).max(1);
        let expected = rounds(emails + self.ahead);
        (seconds(rounds(emails)), seconds(expected), seconds(2 * expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rounds_of_slots_with_what_is_ahead() {
        let time = TimePerEmail { latency_ms: 500, slots: 192, ahead: 0 };
        assert_eq!(time.seconds(10_000), (27, 27, 53));
        let time = TimePerEmail { latency_ms: 500, slots: 192, ahead: 10_000 };
        assert_eq!(time.seconds(10), (1, 27, 53));
        assert_eq!(TimePerEmail { latency_ms: 1, slots: 4, ahead: 0 }.seconds(1), (1, 1, 1));
    }
}
