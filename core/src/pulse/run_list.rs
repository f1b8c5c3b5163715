//! Runs for operators: of one organisation or of all, by the one filter. A list, a count and a bulk command ask by the same
//! words, so that they mean the same runs.
//!
//! Indexes: ended runs are many and have one by id only, so a list walks that; what is live or failed is found from the steps
//! and the dead letters, of which there are few. `since` bounds the ids too, which begin with the time.

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::filter::{ErrorPattern, Filter};
use super::window::Window;
use crate::content::{COUNT_LIMIT, Total};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, OrgId, RunId, SessionId, UserId};

/// How runs can stand.
pub const STATUSES: [&str; 5] = ["queued", "running", "completed", "failed", "cancelled"];
/// An id is made by another clock than the row's time: so far the two may be apart.
const CLOCKS_APART: TimeDelta = TimeDelta::hours(1);

/// A run, in a line.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of pipeline_runs, by their names")]
pub struct ListedRun {
    pub id: RunId,
    pub org_id: OrgId,
    pub org: Option<String>,
    pub user_id: Option<UserId>,
    pub session_id: Option<SessionId>,
    pub batch_id: Option<BatchId>,
    pub pipeline: String,
    pub pipeline_version: i32,
    pub lane: String,
    pub quality_mode: String,
    pub status: String,
    pub status_reason: Option<String>,
    pub generation: i32,
    /// The stage that failed, or that is at work or waits.
    pub stage: Option<String>,
    /// How that stands.
    pub step_status: Option<String>,
    pub error_code: Option<String>,
    pub provider: Option<String>,
    pub model_id: Option<String>,
    pub cost_cents: Decimal,
    pub tokens_in: i32,
    pub tokens_out: i32,
    pub total_ms: Option<i32>,
    pub request_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
}

/// Where the runs of a filter are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Among all of them, by id.
    All,
    /// Among those that have steps: the live ones, and the failed ones that are open.
    Live,
    /// Among those that have dead letters.
    Failed,
    /// Among both: what stands at a stage, or failed at one.
    Staged,
}

impl Source {
    fn of(filter: &Filter) -> Self {
        let is_among = |these: &[&str]| filter.status.iter().all(|status| these.contains(&status.as_str()));
        match filter.status.is_empty() {
            true if filter.error.is_some() => Self::Failed,
            true if filter.stage.is_some() => Self::Staged,
            true => Self::All,
            false if is_among(&["queued", "running"]) => Self::Live,
            false if is_among(&["failed"]) => Self::Failed,
            false => Self::All,
        }
    }
}

/// The filter as values of a statement.
struct Bound<'a> {
    org: Option<Uuid>,
    error: Option<&'a str>,
    error_prefix: Option<&'a str>,
    low: Uuid,
    high: Uuid,
    source: Source,
}

impl<'a> Bound<'a> {
    fn new(filter: &'a Filter, window: Option<Window>) -> Self {
        let (mut low, mut high) = (Uuid::nil(), Uuid::max());
        if let Some(since) = filter.since {
            low = first_id(since - CLOCKS_APART);
        }
        if let Some(until) = filter.until {
            high = first_id(until + CLOCKS_APART);
        }
        if let Some(window) = window {
            (low, high) = window.narrow(low, high);
        }
        Self {
            org: filter.org_id.map(OrgId::uuid),
            error: filter.error.as_ref().and_then(ErrorPattern::code),
            error_prefix: filter.error.as_ref().and_then(ErrorPattern::prefix),
            low,
            high,
            source: Source::of(filter),
        }
    }
}

/// The lowest id that was made at this time.
fn first_id(at: DateTime<Utc>) -> Uuid {
    let ms = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(ms) << 80)
}

/// The one condition, over the runs of a source; what is asked of those that meet it stands before and after.
macro_rules! matching {
    ($tx:ident, $filter:ident, $bound:ident, $limit:expr, $before:tt, $after:tt) => {
        match $bound.source {
            Source::All => matching!(@ $tx, $filter, $bound, $limit, $before, "pipeline_runs r ", $after),
            Source::Live => matching!(@ $tx, $filter, $bound, $limit, $before,
                "(SELECT DISTINCT run_id FROM pipeline_steps WHERE run_id BETWEEN $1 AND $2) c JOIN pipeline_runs r ON r.id = c.run_id ",
                $after),
            Source::Failed => matching!(@ $tx, $filter, $bound, $limit, $before,
                "(SELECT DISTINCT pipeline_run_id FROM dead_letter_queue WHERE pipeline_run_id BETWEEN $1 AND $2) c
                 JOIN pipeline_runs r ON r.id = c.pipeline_run_id ",
                $after),
            Source::Staged => matching!(@ $tx, $filter, $bound, $limit, $before,
                "(SELECT run_id FROM pipeline_steps WHERE run_id BETWEEN $1 AND $2
                  UNION SELECT pipeline_run_id FROM dead_letter_queue WHERE pipeline_run_id BETWEEN $1 AND $2) c
                 JOIN pipeline_runs r ON r.id = c.run_id ",
                $after),
        }
    };
    (@ $tx:ident, $filter:ident, $bound:ident, $limit:expr, $before:tt, $source:tt, $after:tt) => {
        sqlx::query_scalar!(
            $before + $source
                + "WHERE r.id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR r.org_id = $3) AND ($4::text IS NULL OR r.pipeline = $4)
                     AND (cardinality($5::text[]) = 0 OR r.status = ANY($5))
                     AND ($6::text IS NULL OR r.error_code = $6) AND ($7::text IS NULL OR starts_with(r.error_code, $7))
                     AND ($8::text IS NULL OR coalesce(r.failure ->> 'provider', r.provider) = $8)
                     AND ($9::uuid IS NULL OR r.batch_id = $9) AND ($10::uuid IS NULL OR r.session_id = $10)
                     AND ($11::uuid IS NULL OR r.user_id = $11) AND ($12::uuid IS NULL OR r.id = $12)
                     AND ($13::timestamptz IS NULL OR r.created_at >= $13) AND ($14::timestamptz IS NULL OR r.created_at < $14)
                     AND ($15::text IS NULL OR r.failure ->> 'stage' = $15 OR EXISTS (
                       SELECT 1 FROM pipeline_steps p WHERE p.run_id = r.id AND p.status NOT IN ('completed', 'skipped')
                         AND split_part(p.kind, '/', 2) = $15)) "
                + $after,
            $bound.low,
            $bound.high,
            $bound.org,
            $filter.pipeline.as_deref(),
            &$filter.status,
            $bound.error,
            $bound.error_prefix,
            $filter.provider.as_deref(),
            $filter.batch_id.map(BatchId::uuid),
            $filter.session_id.map(SessionId::uuid),
            $filter.user_id.map(UserId::uuid),
            $filter.run_id.map(RunId::uuid),
            $filter.since,
            $filter.until,
            $filter.stage.as_deref(),
            $limit,
        )
        .fetch_all($tx.connection())
        .await?
    };
}

/// A transaction whose statements are planned for the values that they are given: what a filter leaves out costs nothing.
async fn begin(db: &Database) -> Result<Tx, DatabaseError> {
    let mut tx = db.begin().await?;
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(tx.connection()).await?;
    Ok(tx)
}

/// The ids of the runs that a filter means, a window of them.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn ids(db: &Database, filter: &Filter, window: Window) -> Result<Vec<RunId>, DatabaseError> {
    let mut tx = begin(db).await?;
    ids_in(&mut tx, filter, window).await
}

async fn ids_in(tx: &mut Tx, filter: &Filter, window: Window) -> Result<Vec<RunId>, DatabaseError> {
    let bound = Bound::new(filter, Some(window));
    let limit = window.limit;
    Ok(if window.ascending {
        matching!(tx, filter, bound, limit, r#"SELECT r.id AS "id: RunId" FROM "#, "ORDER BY r.id LIMIT $16")
    } else {
        matching!(tx, filter, bound, limit, r#"SELECT r.id AS "id: RunId" FROM "#, "ORDER BY r.id DESC LIMIT $16")
    })
}

/// How many runs a filter means; counting stops at a bound.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn count(db: &Database, filter: &Filter) -> Result<Total, DatabaseError> {
    let mut tx = begin(db).await?;
    let bound = Bound::new(filter, None);
    let counted = matching!(
        tx,
        filter,
        bound,
        COUNT_LIMIT + 1,
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM "#,
        "LIMIT $16) counted"
    );
    Ok(Total::from(counted.first().copied().unwrap_or(0)))
}

/// A page of the runs that a filter means. For operators.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn list(db: &Database, filter: &Filter, window: Window) -> Result<Vec<ListedRun>, DatabaseError> {
    let mut tx = begin(db).await?;
    let ids = ids_in(&mut tx, filter, window).await?;
    let ids: Vec<Uuid> = ids.into_iter().map(RunId::uuid).collect();
    let mut rows = sqlx::query_as!(
        ListedRun,
        r#"SELECT r.id AS "id!: RunId", r.org_id AS "org_id!: OrgId", o.name AS "org?", r.user_id AS "user_id: UserId",
             r.session_id AS "session_id: SessionId", r.batch_id AS "batch_id: BatchId", r.pipeline AS "pipeline!",
             r.pipeline_version AS "pipeline_version!", r.behavior AS "lane!", r.quality_mode AS "quality_mode!", r.status AS "status!",
             r.status_reason, r.generation AS "generation!",
             coalesce(r.failure ->> 'stage', split_part(s.kind, '/', 2)) AS stage, s.status AS "step_status?", r.error_code,
             coalesce(r.failure ->> 'provider', r.provider) AS provider, r.model_id, r.total_cost_cents AS "cost_cents!",
             r.tokens_in AS "tokens_in!", r.tokens_out AS "tokens_out!", r.total_latency_ms AS total_ms, r.request_id, r.created_at AS "created_at!", r.started_at, r.completed_at
           FROM pipeline_runs r LEFT JOIN organizations o ON o.id = r.org_id
           LEFT JOIN LATERAL (
             SELECT p.kind, p.status FROM pipeline_steps p WHERE p.run_id = r.id AND p.status NOT IN ('completed', 'skipped')
             ORDER BY CASE p.status WHEN 'dead' THEN 0 WHEN 'running' THEN 1 WHEN 'ready' THEN 2 WHEN 'delayed' THEN 3 ELSE 4 END, p.stage
             LIMIT 1
           ) s ON true
           WHERE r.id = ANY($1)"#,
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    rows.sort_unstable_by_key(|row| row.id);
    if !window.ascending {
        rows.reverse();
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_looked_for_where_there_are_few() {
        let source = |status: &[&str], error: bool, stage: bool| {
            Source::of(&Filter {
                status: status.iter().map(|status| (*status).to_owned()).collect(),
                error: error.then(|| ErrorPattern::parse("X*")),
                stage: stage.then(|| "llm".to_owned()),
                ..Filter::default()
            })
        };
        assert_eq!(source(&[], false, false), Source::All);
        assert_eq!(source(&["queued", "running"], false, true), Source::Live);
        assert_eq!(source(&["failed"], true, true), Source::Failed);
        assert_eq!(source(&["failed", "queued"], false, false), Source::All);
        assert_eq!(source(&[], true, true), Source::Failed);
        assert_eq!(source(&[], false, true), Source::Staged);
    }
}
