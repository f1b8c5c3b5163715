//! Budgets as operators see them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{Account, LIMITS, Limits, Measure, Span, reserve};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::OrgId;

/// A budget, and what was used of it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the columns of budgets, by their names")]
pub struct Budget {
    pub org_id: OrgId,
    pub org_name: Option<String>,
    /// The token's word for the organisation.
    pub org_external_id: Option<String>,
    #[serde(flatten)]
    pub limits: Limits,
    pub on_exceeded: String,
    /// The settings', since nobody has set another.
    pub is_default: bool,
    pub updated_by: String,
    pub reason: Option<String>,
    pub updated_at: DateTime<Utc>,
    /// Of each limit.
    pub used: Vec<Used>,
}

/// What was used of a limit.
#[derive(Debug, Clone, Serialize)]
pub struct Used {
    /// For how long the limit is.
    pub span: Span,
    /// Of what.
    pub measure: Measure,
    /// The limit.
    pub limit: Decimal,
    /// Used for good.
    pub used: Decimal,
    /// Held by calls under way; some of it comes back.
    pub reserved: Decimal,
    /// What is left, none below zero.
    pub left: Decimal,
    /// When all of it is there again.
    pub turns_at: DateTime<Utc>,
}

/// All budgets, by the organisations' names; at most so many, after this one.
///
/// # Errors
/// If the database can't be read.
pub async fn list(db: &Database, after: Option<OrgId>, limit: i64) -> Result<Vec<Budget>, DatabaseError> {
    read(db, None, after, limit).await
}

/// One organisation's budget; `None`: it has none.
///
/// # Errors
/// If the database can't be read.
pub async fn get(db: &Database, org: OrgId) -> Result<Option<Budget>, DatabaseError> {
    Ok(read(db, Some(org), None, 1).await?.pop())
}

async fn read(
    db: &Database,
    org: Option<OrgId>,
    after: Option<OrgId>,
    limit: i64,
) -> Result<Vec<Budget>, DatabaseError> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT b.org_id AS "org_id: OrgId", o.name AS "name?", o.external_id AS "external_id?", b.requests_per_minute, b.tokens_per_minute,
             b.cents_per_minute, b.requests_per_day, b.tokens_per_day, b.cents_per_day, b.on_exceeded, b.is_default, b.updated_by,
             b.reason, b.updated_at
           FROM budgets b LEFT JOIN organizations o ON o.id = b.org_id
           WHERE ($1::uuid IS NULL OR b.org_id = $1) AND ($2::uuid IS NULL OR b.org_id > $2)
           ORDER BY b.org_id LIMIT $3"#,
        org.map(OrgId::uuid),
        after.map(OrgId::uuid),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut budgets: Vec<Budget> = rows
        .into_iter()
        .map(|row| Budget {
            org_id: row.org_id,
            org_name: row.name,
            org_external_id: row.external_id,
            limits: Limits {
                requests_per_minute: row.requests_per_minute,
                tokens_per_minute: row.tokens_per_minute,
                cents_per_minute: row.cents_per_minute,
                requests_per_day: row.requests_per_day,
                tokens_per_day: row.tokens_per_day,
                cents_per_day: row.cents_per_day,
            },
            on_exceeded: row.on_exceeded,
            is_default: row.is_default,
            updated_by: row.updated_by,
            reason: row.reason,
            updated_at: row.updated_at,
            used: Vec::new(),
        })
        .collect();
    let limits: BTreeMap<_, _> = budgets.iter().map(|budget| (budget.org_id.uuid(), budget.limits)).collect();
    let accounts = reserve::read(tx.connection(), &limits).await?;
    for budget in &mut budgets {
        if let Some(account) = accounts.get(&budget.org_id.uuid()) {
            budget.used = used(account);
        }
    }
    Ok(budgets)
}

fn used(account: &Account) -> Vec<Used> {
    let of = LIMITS.iter().filter_map(|&(span, measure)| {
        let limit = account.limits.of(span, measure)?;
        let (used, reserved) = account.sums(span, measure);
        let turn = TimeDelta::from_std(account.turn(span)).unwrap_or_default();
        Some(Used {
            span,
            measure,
            limit,
            used,
            reserved,
            left: (limit - used - reserved).max(Decimal::ZERO),
            turns_at: account.now + turn,
        })
    });
    of.collect()
}
