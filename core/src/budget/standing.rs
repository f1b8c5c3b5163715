//! How a budget stands when something is submitted: whether it is refused, and what is left to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;

use super::{Exceeded, LIMITS, Limits, Measure, Need, OnExceeded, Span, reserve};
use crate::database::OrgTx;
use crate::error::DatabaseError;

/// How an organisation's budget stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What becomes of what it doesn't reach for.
    pub on_exceeded: OnExceeded,
    /// The limit that is spent: what calls under way hold is not counted, since some of it comes back.
    pub spent: Option<Exceeded>,
    /// The limit of which the smallest part is left.
    pub tightest: Option<Left>,
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// For how long it is.
    pub span: Span,
    /// Of what.
    pub measure: Measure,
    /// The limit.
    pub limit: Decimal,
    /// What is left, none below zero.
    pub left: Decimal,
    /// Until all of it is there again.
    pub turn: Duration,
}

/// How the budget of the transaction's organisation stands; `None`: it has none. Locks nothing.
///
/// # Errors
/// If the database can't be read.
pub async fn standing(tx: &mut OrgTx<'_>) -> Result<Option<Standing>, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        "SELECT requests_per_minute, tokens_per_minute, cents_per_minute, requests_per_day, tokens_per_day, cents_per_day, on_exceeded,
           last_tokens, last_cents
         FROM budgets WHERE org_id = $1 AND is_limited",
        org,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let limits = Limits {
        requests_per_minute: row.requests_per_minute,
        tokens_per_minute: row.tokens_per_minute,
        cents_per_minute: row.cents_per_minute,
        requests_per_day: row.requests_per_day,
        tokens_per_day: row.tokens_per_day,
        cents_per_day: row.cents_per_day,
    };
    let accounts = reserve::read(tx.connection(), &BTreeMap::from([(org, limits)])).await?;
    let Some(account) = accounts.get(&org) else { return Ok(None) };
    let lefts = LIMITS.iter().filter_map(|&(span, measure)| {
        let limit = limits.of(span, measure)?;
        let (used, reserved) = account.sums(span, measure);
        let left = (limit - used - reserved).max(Decimal::ZERO);
        Some(Left { span, measure, limit, left, turn: account.turn(span) })
    });
    Ok(Some(Standing {
        on_exceeded: OnExceeded::parse(&row.on_exceeded)?,
        spent: account.spent(Need { tokens: row.last_tokens, cents: row.last_cents }),
        tightest: lefts.min_by_key(|left| left.left.checked_div(left.limit).unwrap_or_default()),
    }))
}
