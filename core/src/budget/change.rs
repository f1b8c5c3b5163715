//! Setting budgets: by operators for one organisation, by the settings for all that have none of their own.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;

use super::{Limits, OnExceeded, ledger};
use crate::audit;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::OrgId;
use crate::queue::{Wakes, promote};

/// What is to be changed; the outer `None` leaves a limit as it is, the inner one lifts it.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the columns of budgets, by their names")]
pub struct Change {
    /// All limits are lifted first.
    pub lift_all: bool,
    pub requests_per_minute: Option<Option<i64>>,
    pub tokens_per_minute: Option<Option<i64>>,
    pub cents_per_minute: Option<Option<Decimal>>,
    pub requests_per_day: Option<Option<i64>>,
    pub tokens_per_day: Option<Option<i64>>,
    pub cents_per_day: Option<Option<Decimal>>,
    pub on_exceeded: Option<OnExceeded>,
}

impl Change {
    fn of(&self, limits: Limits) -> Limits {
        let limits = if self.lift_all { Limits::default() } else { limits };
        Limits {
            requests_per_minute: self.requests_per_minute.unwrap_or(limits.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.unwrap_or(limits.tokens_per_minute),
            cents_per_minute: self.cents_per_minute.unwrap_or(limits.cents_per_minute),
            requests_per_day: self.requests_per_day.unwrap_or(limits.requests_per_day),
            tokens_per_day: self.tokens_per_day.unwrap_or(limits.tokens_per_day),
            cents_per_day: self.cents_per_day.unwrap_or(limits.cents_per_day),
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// The limits before.
    pub before: Limits,
    /// The limits now.
    pub after: Limits,
    /// What becomes of what they don't reach for.
    pub on_exceeded: OnExceeded,
    /// Steps that waited for the budget, and look at it again at once.
    pub hastened: u64,
}

/// Sets an organisation's budget, from this moment on: what was used today counts. What waited for it looks at it again; wake.
///
/// # Errors
/// If the database refuses or can't be reached; a limit below zero is refused.
pub async fn set(
    db: &Database,
    org: OrgId,
    change: &Change,
    actor: &str,
    reason: Option<&str>,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    ledger::adopt(&mut tx, org).await?;
    let (before, on_exceeded) = lock(&mut tx, org, actor).await?;
    let after = change.of(before);
    let on_exceeded = change.on_exceeded.unwrap_or(on_exceeded);
    write(&mut tx, org, (&after, on_exceeded), (actor, reason)).await?;
    ledger::count(&mut tx, org.uuid()).await?;
    let entry = audit::Entry {
        org_id: Some(org),
        actor,
        action: "budget.set",
        target_type: "budget",
        target_id: &org.to_string(),
        reason,
        details: json!({"before": before, "after": after, "on_exceeded": on_exceeded.as_str()}),
    };
    audit::record(tx.connection(), &entry).await?;
    tx.commit().await?;
    let promoted = promote::hasten(db, org, "budget").await?;
    Ok((Changed { before, after, on_exceeded, hastened: promoted.count }, promoted.wakes))
}

/// The budget's row, locked; an empty one if there was none.
async fn lock(tx: &mut Tx, org: OrgId, actor: &str) -> Result<(Limits, OnExceeded), DatabaseError> {
    sqlx::query!(
        "INSERT INTO budgets (org_id, updated_by) VALUES ($1, $2) ON CONFLICT (org_id) DO NOTHING",
        org.uuid(),
        actor,
    )
    .execute(tx.connection())
    .await?;
    let row = sqlx::query!(
        "SELECT requests_per_minute, tokens_per_minute, cents_per_minute, requests_per_day, tokens_per_day, cents_per_day, on_exceeded
         FROM budgets WHERE org_id = $1 FOR NO KEY UPDATE",
        org.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    let limits = Limits {
        requests_per_minute: row.requests_per_minute,
        tokens_per_minute: row.tokens_per_minute,
        cents_per_minute: row.cents_per_minute,
        requests_per_day: row.requests_per_day,
        tokens_per_day: row.tokens_per_day,
        cents_per_day: row.cents_per_day,
    };
    Ok((limits, OnExceeded::parse(&row.on_exceeded)?))
}

async fn write(
    tx: &mut Tx,
    org: OrgId,
    (limits, on_exceeded): (&Limits, OnExceeded),
    (actor, reason): (&str, Option<&str>),
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE budgets SET requests_per_minute = $2, tokens_per_minute = $3, cents_per_minute = $4, requests_per_day = $5,
           tokens_per_day = $6, cents_per_day = $7, on_exceeded = $8, is_default = false, updated_by = $9, reason = $10,
           updated_at = clock_timestamp()
         WHERE org_id = $1",
        org.uuid(),
        limits.requests_per_minute,
        limits.tokens_per_minute,
        limits.cents_per_minute,
        limits.requests_per_day,
        limits.tokens_per_day,
        limits.cents_per_day,
        on_exceeded.as_str(),
        actor,
        reason,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes the settings' budget for organisations that nobody has set one for; of those that have it already, too. Whichever
/// worker started last decides.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn set_defaults(db: &Database, limits: &Limits, on_exceeded: OnExceeded) -> Result<(), DatabaseError> {
    let mut tx = db.begin().await?;
    let is_known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM budget_defaults WHERE on_exceeded = $7 AND
             (requests_per_minute, tokens_per_minute, cents_per_minute, requests_per_day, tokens_per_day, cents_per_day)
             IS NOT DISTINCT FROM ($1::bigint, $2::bigint, $3::numeric, $4::bigint, $5::bigint, $6::numeric))
           AND NOT EXISTS (SELECT 1 FROM budgets b WHERE b.is_default AND (b.on_exceeded <> $7
             OR (b.requests_per_minute, b.tokens_per_minute, b.cents_per_minute, b.requests_per_day, b.tokens_per_day, b.cents_per_day)
               IS DISTINCT FROM ($1::bigint, $2::bigint, $3::numeric, $4::bigint, $5::bigint, $6::numeric))) AS "known!""#,
        limits.requests_per_minute,
        limits.tokens_per_minute,
        limits.cents_per_minute,
        limits.requests_per_day,
        limits.tokens_per_day,
        limits.cents_per_day,
        on_exceeded.as_str(),
    )
    .fetch_one(tx.connection())
    .await?;
    if is_known {
        return Ok(());
    }
    sqlx::query!("DELETE FROM budget_defaults").execute(tx.connection()).await?;
    if limits.is_any() {
        sqlx::query!(
            "INSERT INTO budget_defaults (requests_per_minute, tokens_per_minute, cents_per_minute, requests_per_day, tokens_per_day,
               cents_per_day, on_exceeded) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (one) DO NOTHING",
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.cents_per_minute,
            limits.requests_per_day,
            limits.tokens_per_day,
            limits.cents_per_day,
            on_exceeded.as_str(),
        )
        .execute(tx.connection())
        .await?;
    }
    tx.commit().await?;
    renew_defaults(db).await
}

/// Brings the budgets that are the settings' up to date; each by itself, so that nothing waits for one while it holds another.
async fn renew_defaults(db: &Database) -> Result<(), DatabaseError> {
    let mut tx = db.begin().await?;
    let orgs = sqlx::query_scalar!(r#"SELECT org_id AS "org: OrgId" FROM budgets WHERE is_default"#)
        .fetch_all(tx.connection())
        .await?;
    tx.rollback().await?;
    for org in orgs {
        let mut tx = db.begin().await?;
        ledger::adopt(&mut tx, org).await?;
        let renewed = sqlx::query!(
            "UPDATE budgets b SET requests_per_minute = d.requests_per_minute, tokens_per_minute = d.tokens_per_minute,
               cents_per_minute = d.cents_per_minute, requests_per_day = d.requests_per_day, tokens_per_day = d.tokens_per_day,
               cents_per_day = d.cents_per_day, on_exceeded = coalesce(d.on_exceeded, 'snooze'), updated_at = clock_timestamp()
             FROM (SELECT 1) one LEFT JOIN budget_defaults d ON true WHERE b.org_id = $1 AND b.is_default",
            org.uuid(),
        )
        .execute(tx.connection())
        .await?;
        if renewed.rows_affected() > 0 {
            ledger::count(&mut tx, org.uuid()).await?;
        }
        tx.commit().await?;
        promote::hasten(db, org, "budget").await?;
    }
    Ok(())
}
