//! What an operator looks at first: everything that may be wrong now, in a bounded number of statements. Ended runs cost
//! nothing: what happened lately is found by ids, which begin with the time.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::breaker::{self, Breaker};
use crate::database::Database;
use crate::error::DatabaseError;

use super::queue_stats::{self, By, QueueLine};

/// So many of a kind are told at most.
const MOST: i64 = 20;

/// How it stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// The workers.
    pub workers: Workers,
    /// The lanes.
    pub lanes: Vec<QueueLine>,
    /// Breakers that are open.
    pub breakers: Vec<Breaker>,
    /// What delayed steps wait for, the most first.
    pub delays: Vec<Delay>,
    /// Kinds of steps that are ready and that no living worker knows.
    pub unknown: Vec<Unknown>,
    /// Dead letters of the last hour that nobody has dealt with, by cause, the most first.
    pub causes: Vec<Cause>,
    /// What stands still.
    pub pauses: Vec<Pause>,
    /// Steps of the last ten minutes whose worker was lost.
    pub crashes: i64,
    /// How long chat waited for a worker, in the last five minutes: of 20, 19 waited no longer.
    pub pickup_p95_ms: Option<i64>,
    /// Batches that wait for somebody.
    pub batches_waiting: i64,
}

/// The workers, counted.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    /// Whose lease is good.
    pub beating: i64,
    /// Of those, the ones that take nothing more.
    pub draining: i64,
    /// Whose lease has run out within the last hour, with steps that nobody has taken from them yet, or just now.
    pub stale: i64,
    /// The slots of those that take more.
    pub slots: i64,
    /// What they have in hand.
    pub running: i64,
}

/// What steps wait for.
#[derive(Debug, Clone)]
pub struct Delay {
    /// `backoff`, `rate_limited`, `provider_down`, `budget`.
    pub reason: String,
    /// So many.
    pub steps: i64,
    /// The first goes on then.
    pub next_at: DateTime<Utc>,
}

/// A kind of step that nobody knows.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// `chat@2/llm`
    pub kind: String,
    /// So many are ready.
    pub steps: i64,
}

/// Why runs died.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The error's code.
    pub error_code: String,
    /// The stage.
    pub stage: Option<String>,
    /// So many.
    pub letters: i64,
}

/// What stands still, and until when.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of pauses, by their names")]
pub struct Pause {
    pub scope: String,
    pub key: String,
    pub actor: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

/// Looks at everything.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn read(db: &Database) -> Result<Status, DatabaseError> {
    let lanes = queue_stats::read(db, By { lane: true, ..By::default() }, None).await?;
    let breakers = breaker::list(db).await?.into_iter().filter(|breaker| breaker.status != "closed").collect();
    let mut tx = db.begin().await?;
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(tx.connection()).await?;
    let connection = tx.connection();
    let (hour, minutes) = (since(connection, 60).await?, since(connection, 10).await?);
    Ok(Status {
        workers: workers(connection).await?,
        lanes,
        breakers,
        delays: delays(connection).await?,
        unknown: unknown(connection).await?,
        causes: causes(connection, hour).await?,
        pauses: pauses(connection).await?,
        crashes: crashes(connection, minutes).await?,
        pickup_p95_ms: pickup(connection, minutes).await?,
        batches_waiting: batches_waiting(connection).await?,
    })
}

/// The lowest id of what was made in the last minutes.
async fn since(connection: &mut PgConnection, minutes: i32) -> Result<Uuid, DatabaseError> {
    let ms = sqlx::query_scalar!(
        r#"SELECT (extract(epoch FROM now() - $1::int * interval '1 minute') * 1000)::bigint AS "ms!""#,
        minutes
    )
    .fetch_one(connection)
    .await?;
    Ok(Uuid::from_u128(u128::from(ms.unsigned_abs()) << 80))
}

async fn workers(connection: &mut PgConnection) -> Result<Workers, DatabaseError> {
    Ok(sqlx::query_as!(
        Workers,
        r#"SELECT count(*) FILTER (WHERE lease_until > now()) AS "beating!",
             count(*) FILTER (WHERE lease_until > now() AND draining) AS "draining!",
             count(*) FILTER (WHERE lease_until <= now() AND NOT draining AND (lease_until > now() - interval '5 minutes'
               OR EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.worker_id = w.id))) AS "stale!",
             coalesce(sum(slots) FILTER (WHERE lease_until > now() AND NOT draining), 0) AS "slots!",
             (SELECT count(*) FROM pipeline_steps WHERE worker_id IS NOT NULL) AS "running!"
           FROM workers w"#
    )
    .fetch_one(connection)
    .await?)
}

async fn delays(connection: &mut PgConnection) -> Result<Vec<Delay>, DatabaseError> {
    Ok(sqlx::query_as!(
        Delay,
        r#"SELECT coalesce(delay_reason, 'backoff') AS "reason!", count(*) AS "steps!", min(available_at) AS "next_at!"
           FROM pipeline_steps WHERE status = 'delayed' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1"#,
        MOST
    )
    .fetch_all(connection)
    .await?)
}

async fn unknown(connection: &mut PgConnection) -> Result<Vec<Unknown>, DatabaseError> {
    Ok(sqlx::query_as!(
        Unknown,
        r#"SELECT k.kind AS "kind!", k.steps AS "steps!" FROM (
             SELECT kind, count(*) AS steps FROM pipeline_steps WHERE status = 'ready' GROUP BY kind) k
           WHERE NOT a_worker_knows(k.kind) ORDER BY k.steps DESC, k.kind LIMIT $1"#,
        MOST
    )
    .fetch_all(connection)
    .await?)
}

async fn causes(connection: &mut PgConnection, since: Uuid) -> Result<Vec<Cause>, DatabaseError> {
    Ok(sqlx::query_as!(
        Cause,
        r#"SELECT coalesce(error_code, error_type) AS "error_code!", failed_stage AS stage, count(*) AS "letters!"
           FROM dead_letter_queue WHERE id >= $1 AND created_at > now() - interval '1 hour' AND status IN ('pending', 'investigating')
           GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $2"#,
        since,
        MOST
    )
    .fetch_all(connection)
    .await?)
}

async fn pauses(connection: &mut PgConnection) -> Result<Vec<Pause>, DatabaseError> {
    Ok(sqlx::query_as!(
        Pause,
        "SELECT scope, key, actor, reason, created_at, until FROM pauses
         WHERE scope <> 'batch' AND (until IS NULL OR until > now()) ORDER BY created_at LIMIT $1",
        MOST
    )
    .fetch_all(connection)
    .await?)
}

async fn crashes(connection: &mut PgConnection, since: Uuid) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "crashes!" FROM pipeline_events
           WHERE id >= $1 AND event_type = 'stage.wide' AND event_data ->> 'status' = 'crash'"#,
        since
    )
    .fetch_one(connection)
    .await?)
}

async fn pickup(connection: &mut PgConnection, since: Uuid) -> Result<Option<i64>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        "SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY (extract(epoch FROM started_at - created_at) * 1000)::bigint)
         FROM pipeline_runs WHERE id >= $1 AND lane = 0 AND generation = 1 AND started_at > now() - interval '5 minutes'",
        since
    )
    .fetch_one(connection)
    .await?)
}

async fn batches_waiting(connection: &mut PgConnection) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "batches!" FROM email_batches WHERE status = 'paused' AND waiting IS NOT NULL"#
    )
    .fetch_one(connection)
    .await?)
}
