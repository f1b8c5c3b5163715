//! Breakers: whether a provider's model may be called at all. One row for all workers, so that an outage which one of them
//! meets is met by none of the others; who was counted stands in rows that are written with the ledger.
//!
//! A breaker opens in two steps. First its row says so: from that commit on whoever opens a call sees it (`provider_call`'s
//! gate). Then, in a statement of its own, since when that holds: a call whose opening had looked before was stamped before.
//! So no call in the ledger but a probe begins between `opened_at` and `closed_at` of a breaker's event.

mod judge;
mod operate;
mod probe;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use judge::{judge, prune, take_effect};
pub use operate::{Order, Which, find, reset, trip};
pub use probe::{probed, take_probe};

use crate::database::Database;
use crate::error::DatabaseError;

/// What is called, as far as breakers tell it apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// Text, speech or vectors.
    pub operation: &'static str,
    /// Whose.
    pub provider: String,
    /// Which model.
    pub model: String,
}

impl Key {
    /// A model that answers in text, named as the ledger does.
    #[must_use]
    pub fn llm(provider: &str, model: &str) -> Self {
        let cut = |text: &str, chars| text.chars().take(chars).collect();
        Self { operation: "llm", provider: cut(provider, 50), model: cut(model, 100) }
    }
}

/// What a call's end says of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers: with a text, or with a refusal that is ours to heal.
    Well,
    /// It doesn't: too late, broken off, an error of its own, nonsense.
    Fault,
    /// Nothing was seen of it: the call was given up before, or its worker was lost.
    Unseen,
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// At least so many failures.
    pub failures: i64,
    /// And at least so many per cent of the calls.
    pub percent: i64,
    /// Of so long.
    pub window: Duration,
    /// From then on nobody but a probe, and that after so long.
    pub open: Duration,
    /// A probe that has not told what came of it by then is taken for dead.
    pub probe: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            failures: 3,
            percent: 20,
            window: Duration::from_secs(60),
            open: Duration::from_secs(60),
            // Longer than a whole answer may take, and the closing of its call: of one that isn't streamed nothing is known before.
            probe: Duration::from_secs(62),
        }
    }
}

/// An open breaker, as a worker needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenState {
    /// How long until a probe may go, zero if it may now; `None`: not before somebody resets it.
    pub wait: Option<Duration>,
    /// For how long a probe is still believed to be under way.
    pub probing: Option<Duration>,
    /// An operator opened it.
    pub tripped: bool,
}

/// A breaker, and whether it is open.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whose.
    pub provider: String,
    /// Of which model.
    pub model: String,
    /// `None`: it is closed.
    pub open: Option<OpenState>,
    /// How many workers live: so many share what comes back.
    pub workers: i64,
}

/// Declares breakers, so that they are seen and can be tripped before the first call.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn declare(db: &Database, keys: &[Key]) -> Result<(), DatabaseError> {
    for key in keys {
        sqlx::query!(
            "INSERT INTO breakers (operation, provider, model) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            key.operation,
            key.provider,
            key.model
        )
        .execute(db.fast())
        .await?;
    }
    Ok(())
}

/// The breakers of models that answer in text, as they stand now.
///
/// # Errors
/// If the database can't be read.
pub async fn look(db: &Database) -> Result<Vec<Seen>, DatabaseError> {
    let rows = sqlx::query!(
        r#"SELECT provider, model, status = 'open' AS "open!", actor IS NOT NULL AS "tripped!",
             (SELECT count(*) FROM workers WHERE lease_until > now()) AS "workers!",
             ceil(extract(epoch FROM until - clock_timestamp()) * 1000)::bigint AS wait_ms,
             ceil(extract(epoch FROM probe_until - clock_timestamp()) * 1000)::bigint AS probing_ms
           FROM breakers WHERE operation = 'llm'"#
    )
    .fetch_all(db.fast())
    .await?;
    let seen = rows.into_iter().map(|row| {
        let state = OpenState {
            wait: row.wait_ms.map(milliseconds),
            probing: row.probing_ms.filter(|&left| left > 0).map(milliseconds),
            tripped: row.tripped,
        };
        Seen { provider: row.provider, model: row.model, open: row.open.then_some(state), workers: row.workers }
    });
    Ok(seen.collect())
}

/// A breaker as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct Breaker {
    /// Text, speech or vectors.
    pub operation: String,
    /// Whose.
    pub provider: String,
    /// Of which model.
    pub model: String,
    /// `closed`, `open`, or `probing`: open, and a call is under way to see whether it can be closed.
    pub status: String,
    /// When a probe may go.
    pub until: Option<DateTime<Utc>>,
    /// Since when it is open.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it was last closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Who tripped it; `None`: its failures.
    pub actor: Option<String>,
    /// Why it is open.
    pub reason: Option<String>,
    /// Calls that count, of the last minute.
    pub calls: i64,
    /// Failures among them.
    pub failures: i64,
    /// How often it was opened within a day.
    pub opened_today: i64,
}

/// All breakers, for operators.
///
/// # Errors
/// If the database can't be read.
pub async fn list(db: &Database) -> Result<Vec<Breaker>, DatabaseError> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query_as!(
        Breaker,
        r#"SELECT b.operation, b.provider, b.model, b.until, b.effective_at AS opened_at, b.closed_at, b.actor, b.reason,
             CASE WHEN b.status = 'open' AND b.probe_until > now() THEN 'probing' ELSE b.status END AS "status!",
             coalesce(c.calls, 0) AS "calls!", coalesce(c.failures, 0) AS "failures!",
             (SELECT count(*) FROM breaker_events e WHERE e.operation = b.operation AND e.provider = b.provider AND e.model = b.model
               AND e.opened_at > now() - interval '1 day') AS "opened_today!"
           FROM breakers b
           LEFT JOIN LATERAL (SELECT sum(k.calls)::bigint AS calls, sum(k.failures)::bigint AS failures FROM breaker_counts k
             WHERE k.operation = b.operation AND k.provider = b.provider AND k.model = b.model AND k.at > now() - interval '1 minute') c ON true
           ORDER BY b.operation, b.provider, b.model LIMIT 1000"#
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// Tells every worker that something has changed. They look every half a second without it.
pub(crate) async fn wake(db: &Database) -> Result<(), DatabaseError> {
    sqlx::query!("SELECT pg_notify($1, '')", crate::notify::PROVIDER).fetch_one(db.fast()).await?;
    Ok(())
}

pub(crate) fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

pub(crate) fn as_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_as_the_ledger_names_it() {
        let long = "é".repeat(300);
        let key = Key::llm(&long, &long);
        assert_eq!((key.provider.chars().count(), key.model.chars().count()), (50, 100));
        assert_eq!(Key::llm("groq", "m"), Key { operation: "llm", provider: "groq".into(), model: "m".into() });
    }

    #[test]
    fn a_time_that_has_passed_is_no_wait() {
        assert_eq!(milliseconds(-5), Duration::ZERO);
        assert_eq!(milliseconds(5), Duration::from_millis(5));
    }
}
