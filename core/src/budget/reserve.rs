//! Reserving: what stands is read under the lock of the budget's row, and what the opened calls may take is booked there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::account::{Account, Need, SLICE_LIFE, Window};
use super::{Limits, Measure, Span, ledger};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;

/// How the budgets of these organisations stand, whose rows this transaction holds: a statement of its own, since the one
/// that waited for the rows sees what was counted before it waited.
pub(crate) async fn read(
    connection: &mut PgConnection,
    limits: &BTreeMap<Uuid, Limits>,
) -> Result<BTreeMap<Uuid, Account>, DatabaseError> {
    if limits.is_empty() {
        return Ok(BTreeMap::new());
    }
    let orgs: Vec<Uuid> = limits.keys().copied().collect();
    let rows = sqlx::query!(
        r#"SELECT o.org_id AS "org_id!", t.now AS "now!", w.span AS "span?", w.starts_at AS "starts_at?", w.requests AS "requests?",
             w.tokens AS "tokens?", w.cents AS "cents?", w.reserved_tokens AS "reserved_tokens?", w.reserved_cents AS "reserved_cents?"
           FROM unnest($1::uuid[]) AS o(org_id)
           CROSS JOIN (SELECT clock_timestamp() AS now OFFSET 0) t
           LEFT JOIN LATERAL (
             SELECT w.* FROM budget_windows w WHERE w.org_id = o.org_id AND w.span = 'slice' AND w.starts_at > t.now - $2::bigint * interval '1 second'
             UNION ALL
             SELECT w.* FROM budget_windows w WHERE w.org_id = o.org_id AND w.span = 'day' AND w.starts_at = date_trunc('day', t.now, 'UTC')
           ) w ON true
           ORDER BY w.starts_at"#,
        &orgs,
        SLICE_LIFE.num_seconds(),
    )
    .fetch_all(connection)
    .await?;
    let mut accounts: BTreeMap<Uuid, Account> = BTreeMap::new();
    for row in rows {
        let Some(limits) = limits.get(&row.org_id) else { continue };
        let account = accounts.entry(row.org_id).or_insert_with(|| Account {
            limits: *limits,
            now: row.now,
            slices: Vec::new(),
            day: Window::default(),
        });
        let window = Window {
            requests: row.requests.unwrap_or_default(),
            tokens: row.tokens.unwrap_or_default(),
            cents: row.cents.unwrap_or_default(),
            reserved_tokens: row.reserved_tokens.unwrap_or_default(),
            reserved_cents: row.reserved_cents.unwrap_or_default(),
        };
        match (row.span.as_deref(), row.starts_at) {
            (Some("day"), _) => account.day = window,
            (Some(_), Some(starts_at)) => account.slices.push((starts_at, window)),
            _ => {}
        }
    }
    Ok(accounts)
}

/// What an organisation's calls of one group take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Booked {
    /// Opened.
    pub(crate) requests: i64,
    /// What they can take at most.
    pub(crate) reserved: Need,
    /// What the last one asked for, opened or not.
    pub(crate) last: Need,
}

#[derive(Default)]
struct Columns {
    orgs: Vec<Uuid>,
    spans: Vec<&'static str>,
    starts: Vec<DateTime<Utc>>,
    requests: Vec<i64>,
    tokens: Vec<i64>,
    cents: Vec<Decimal>,
    most_requests: Vec<Option<i64>>,
    most_tokens: Vec<Option<i64>>,
    most_cents: Vec<Option<Decimal>>,
}

impl Columns {
    fn push(&mut self, org: Uuid, account: &Account, booked: &Booked) {
        for (span, name, starts_at) in [(Span::Minute, "slice", account.slice()), (Span::Day, "day", account.today())] {
            let limit = |measure| account.limits.of(span, measure);
            let whole = |measure| limit(measure).and_then(|limit| i64::try_from(limit).ok());
            self.orgs.push(org);
            self.spans.push(name);
            self.starts.push(starts_at);
            self.requests.push(booked.requests);
            self.tokens.push(booked.reserved.tokens);
            self.cents.push(booked.reserved.cents);
            self.most_requests.push(whole(Measure::Requests));
            self.most_tokens.push(whole(Measure::Tokens));
            self.most_cents.push(limit(Measure::Cents));
        }
    }
}

/// Books what a group of calls took. The rows of the budgets are held. What no call can change any more is cleared away.
pub(crate) async fn book(
    tx: &mut Tx,
    accounts: &BTreeMap<Uuid, Account>,
    booked: &BTreeMap<Uuid, Booked>,
) -> Result<(), DatabaseError> {
    if booked.is_empty() {
        return Ok(());
    }
    let orgs: Vec<Uuid> = booked.keys().copied().collect();
    let (last_tokens, last_cents): (Vec<i64>, Vec<Decimal>) =
        booked.values().map(|booked| (booked.last.tokens, booked.last.cents)).unzip();
    let mut columns = Columns::default();
    for (org, booked) in booked.iter().filter(|(_, booked)| booked.requests > 0) {
        if let Some(account) = accounts.get(org) {
            columns.push(*org, account, booked);
        }
    }
    let spans: Vec<String> = columns.spans.iter().map(|span| (*span).to_owned()).collect();
    sqlx::query_file!(
        "src/budget/book.sql",
        &orgs,
        &last_tokens,
        &last_cents,
        &columns.orgs,
        &spans,
        &columns.starts,
        &columns.requests,
        &columns.tokens,
        &columns.cents,
        &columns.most_requests as &[Option<i64>],
        &columns.most_tokens as &[Option<i64>],
        &columns.most_cents as &[Option<Decimal>],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Gives organisations that nobody has set a budget for the one of the settings; each in a transaction of its own, so that
/// nothing waits for one while it holds another.
pub(crate) async fn adopt_defaults(db: &Database, orgs: &[Uuid]) -> Result<(), DatabaseError> {
    for &org in orgs {
        let mut tx = db.begin().await?;
        let adopted = sqlx::query!(
            "INSERT INTO budgets (org_id, requests_per_minute, tokens_per_minute, cents_per_minute, requests_per_day, tokens_per_day,
               cents_per_day, on_exceeded, is_default, updated_by)
             SELECT $1, requests_per_minute, tokens_per_minute, cents_per_minute, requests_per_day, tokens_per_day, cents_per_day,
               on_exceeded, true, 'system:settings' FROM budget_defaults
             ON CONFLICT (org_id) DO NOTHING",
            org,
        )
        .execute(tx.connection())
        .await?;
        if adopted.rows_affected() > 0 {
            ledger::count(&mut tx, org).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}
