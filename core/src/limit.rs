//! Limits: how many requests and tokens a minute a provider's model takes, and pauses that it asked for. One row a model for
//! all workers, which draw on it in blocks: a round trip for many calls, not for each.
//!
//! What a limit allows it allows in every window of a minute, not on average: what may be sent at once counts against it, and
//! so does that a worker may send a second later what it has drawn.

mod gcra;
mod operate;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use operate::set;

use crate::breaker::{as_ms, milliseconds, wake};
use crate::database::Database;
use crate::error::DatabaseError;
use gcra::{Drawing, Rate};

/// What was drawn is good for so long: then it is lost, so that it can't be sent on top of what is drawn later.
pub const DRAWN_FOR: Duration = Duration::from_secs(1);

/// The limits of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Whose.
    pub provider: String,
    /// Of which model.
    pub model: String,
    /// Requests a minute; `None`: as many as there are.
    pub requests_per_minute: Option<i32>,
    /// So many of them at once; `None`: a tenth.
    pub request_burst: Option<i32>,
    /// Tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<i32>,
    /// So many of them at once; `None`: a tenth.
    pub token_burst: Option<i32>,
}

/// A model's limits, as a worker needs to know them.
#[derive(Debug, Clone)]
pub struct Known {
    /// What they are.
    pub limit: Limit,
    /// How much longer it is paused.
    pub paused: Option<Duration>,
}

/// What a worker asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Requests that it needs, at least one.
    pub requests: u32,
    /// Tokens that it needs.
    pub tokens: u32,
    /// Nobody waits for it in person: it leaves a part to those for whom somebody does.
    pub yields: bool,
}

/// What a worker got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// A block, at least what was asked for.
    Block {
        /// Requests.
        requests: u32,
        /// Tokens.
        tokens: u32,
    },
    /// Nothing, before so much time.
    Wait {
        /// How long.
        wait: Duration,
        /// Of which kind there is not enough.
        short: Short,
    },
    /// There is no limit.
    Unlimited,
}

/// What there is not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
    /// The provider wants a pause.
    Paused,
}

/// Declares what a file of the workers says. What was set at the terminal stays.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn declare(db: &Database, limits: &[Limit]) -> Result<(), DatabaseError> {
    for limit in limits {
        sqlx::query!(
            "INSERT INTO limits AS l (provider, model, requests_per_minute, request_burst, tokens_per_minute, token_burst)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (provider, model) DO UPDATE SET requests_per_minute = excluded.requests_per_minute,
               request_burst = excluded.request_burst, tokens_per_minute = excluded.tokens_per_minute, token_burst = excluded.token_burst
             WHERE l.set_by IS NULL AND (l.requests_per_minute, l.request_burst, l.tokens_per_minute, l.token_burst)
               IS DISTINCT FROM (excluded.requests_per_minute, excluded.request_burst, excluded.tokens_per_minute, excluded.token_burst)",
            limit.provider,
            limit.model,
            limit.requests_per_minute,
            limit.request_burst,
            limit.tokens_per_minute,
            limit.token_burst,
        )
        .execute(db.fast())
        .await?;
    }
    Ok(())
}

/// The limits as they stand now.
///
/// # Errors
/// If the database can't be read.
pub async fn look(db: &Database) -> Result<Vec<Known>, DatabaseError> {
    let rows = sqlx::query!(
        r#"SELECT provider, model, requests_per_minute, request_burst, tokens_per_minute, token_burst,
             ceil(extract(epoch FROM paused_until - clock_timestamp()) * 1000)::bigint AS paused_ms FROM limits"#
    )
    .fetch_all(db.fast())
    .await?;
    let known = rows.into_iter().map(|row| Known {
        limit: Limit {
            provider: row.provider,
            model: row.model,
            requests_per_minute: row.requests_per_minute,
            request_burst: row.request_burst,
            tokens_per_minute: row.tokens_per_minute,
            token_burst: row.token_burst,
        },
        paused: row.paused_ms.filter(|&left| left > 0).map(milliseconds),
    });
    Ok(known.collect())
}

/// Draws on a model's limits: at least what is asked for, up to what a second brings.
///
/// # Errors
/// If the database refuses or can't be reached: then something may be drawn, and is lost.
pub async fn draw(db: &Database, provider: &str, model: &str, ask: Ask) -> Result<Drawn, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let row = sqlx::query!(
        r#"SELECT requests_per_minute, request_burst, tokens_per_minute, token_burst, clock_timestamp() AS "clock!",
             ceil(extract(epoch FROM paused_until - clock_timestamp()) * 1000)::bigint AS paused_ms,
             (extract(epoch FROM requests_tat - clock_timestamp()) * 1000000)::bigint AS requests_ahead,
             (extract(epoch FROM tokens_tat - clock_timestamp()) * 1000000)::bigint AS tokens_ahead
           FROM limits WHERE provider = $1 AND model = $2 FOR NO KEY UPDATE"#,
        provider,
        model
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(Drawn::Unlimited) };
    if let Some(wait) = row.paused_ms.filter(|&left| left > 0).map(milliseconds) {
        return Ok(Drawn::Wait { wait, short: Short::Paused });
    }
    let requests = row.requests_per_minute.map(|rate| Rate::new(rate, row.request_burst));
    let tokens = row.tokens_per_minute.map(|rate| Rate::new(rate, row.token_burst));
    if requests.is_none() && tokens.is_none() {
        return Ok(Drawn::Unlimited);
    }
    let of_requests = drawing(requests, row.requests_ahead, ask.requests.max(1), ask.yields);
    let of_tokens = drawing(tokens, row.tokens_ahead, ask.tokens, ask.yields);
    let ((took_requests, requests_ahead), (took_tokens, tokens_ahead)) = match (of_requests, of_tokens) {
        (Ok(requests), Ok(tokens)) => (requests, tokens),
        (Err(a), Err(b)) if b > a => return Ok(Drawn::Wait { wait: b, short: Short::Tokens }),
        (Err(wait), _) => return Ok(Drawn::Wait { wait, short: Short::Requests }),
        (_, Err(wait)) => return Ok(Drawn::Wait { wait, short: Short::Tokens }),
    };
    sqlx::query!(
        "UPDATE limits SET requests_tat = coalesce($3::timestamptz + $4 * interval '1 microsecond', requests_tat),
           tokens_tat = coalesce($3::timestamptz + $5 * interval '1 microsecond', tokens_tat)
         WHERE provider = $1 AND model = $2",
        provider,
        model,
        row.clock,
        requests_ahead,
        tokens_ahead,
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(Drawn::Block { requests: took_requests, tokens: took_tokens })
}

/// What is taken, and how far ahead the limit then is in microseconds; or how long there is nothing. Of what has no limit
/// there is always enough.
#[expect(clippy::cast_precision_loss, reason = "microseconds of some minutes; statements take them as floats")]
fn drawing(rate: Option<Rate>, ahead: Option<i64>, need: u32, yields: bool) -> Result<(u32, Option<f64>), Duration> {
    let Some(rate) = rate else { return Ok((u32::MAX, None)) };
    match rate.draw(ahead.unwrap_or(0), need, yields) {
        Drawing::Took { count, ahead } => Ok((count, Some(ahead as f64))),
        Drawing::Wait(wait) => Err(wait),
    }
}

/// Gives back tokens that were drawn for answers which turned out shorter.
///
/// # Errors
/// If the database refuses or can't be reached: then they are lost.
pub async fn give_back(db: &Database, provider: &str, model: &str, tokens: u32) -> Result<(), DatabaseError> {
    let rate = sqlx::query!(
        "SELECT tokens_per_minute, token_burst FROM limits WHERE provider = $1 AND model = $2",
        provider,
        model
    )
    .fetch_optional(db.fast())
    .await?;
    let Some((limit, burst)) = rate.and_then(|row| Some((row.tokens_per_minute?, row.token_burst))) else {
        return Ok(());
    };
    sqlx::query!(
        "UPDATE limits SET tokens_tat = tokens_tat - $3 * interval '1 microsecond'
         WHERE provider = $1 AND model = $2 AND tokens_tat IS NOT NULL",
        provider,
        model,
        Rate::new(limit, burst).interval_us() * f64::from(tokens),
    )
    .execute(db.fast())
    .await?;
    Ok(())
}

/// Nobody calls a model for so long: its provider has said 429.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn pause(db: &Database, provider: &str, model: &str, wait: Duration) -> Result<(), DatabaseError> {
    sqlx::query!(
        "INSERT INTO limits AS l (provider, model, paused_until) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 ms')
         ON CONFLICT (provider, model) DO UPDATE SET paused_until = greatest(l.paused_until, excluded.paused_until)",
        provider,
        model,
        as_ms(wait),
    )
    .execute(db.fast())
    .await?;
    wake(db).await
}

/// Keeps what a provider said is left of its limits.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn told(
    db: &Database,
    provider: &str,
    model: &str,
    requests_left: Option<i64>,
    tokens_left: Option<i64>,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "INSERT INTO limits AS l (provider, model, requests_left, tokens_left, told_at) VALUES ($1, $2, $3, $4, clock_timestamp())
         ON CONFLICT (provider, model) DO UPDATE SET requests_left = excluded.requests_left, tokens_left = excluded.tokens_left,
           told_at = excluded.told_at",
        provider,
        model,
        requests_left,
        tokens_left,
    )
    .execute(db.fast())
    .await?;
    Ok(())
}

/// A limit as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct Limited {
    /// Whose.
    pub provider: String,
    /// Of which model.
    pub model: String,
    /// Requests a minute.
    pub requests_per_minute: Option<i32>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<i32>,
    /// Who set it; `None`: a file of the workers.
    pub set_by: Option<String>,
    /// Until when the provider wants a pause.
    pub paused_until: Option<DateTime<Utc>>,
    /// Requests that the provider said are left, within the last minute.
    pub requests_left: Option<i64>,
    /// Tokens that the provider said are left, within the last minute.
    pub tokens_left: Option<i64>,
}

/// All limits, for operators.
///
/// # Errors
/// If the database can't be read.
pub async fn list(db: &Database) -> Result<Vec<Limited>, DatabaseError> {
    let mut tx = db.begin().await?;
    let rows = sqlx::query_as!(
        Limited,
        "SELECT provider, model, requests_per_minute, tokens_per_minute, set_by,
           CASE WHEN paused_until > now() THEN paused_until END AS paused_until,
           CASE WHEN told_at > now() - interval '1 minute' THEN requests_left END AS requests_left,
           CASE WHEN told_at > now() - interval '1 minute' THEN tokens_left END AS tokens_left
         FROM limits ORDER BY provider, model LIMIT 1000"
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}
