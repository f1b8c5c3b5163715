//! A run explained to an operator: how it stands, what it waits for, what comes before it, and how it ended.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::runs;
use super::why::{Ahead, PauseSeen, Waiting};
use crate::content::Viewer;
use crate::database::{Database, Tx};
use crate::error::{DatabaseError, Failure};
use crate::id::{BatchId, DeadLetterId, OrgId, RunId, UserId, WorkerId};

/// What comes before a step is counted so far.
pub const MOST_AHEAD: i64 = 10_000;
/// A chain of runs that wait for each other is followed so far.
const LONGEST_CHAIN: usize = 5;

/// How a run stands.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the columns of pipeline_runs, by their names")]
pub struct Explanation {
    pub run_id: RunId,
    pub org_id: OrgId,
    pub batch_id: Option<BatchId>,
    pub pipeline: String,
    pub pipeline_version: i32,
    pub lane: String,
    pub status: String,
    pub status_reason: Option<String>,
    pub generation: i32,
    /// The stage that is at work, waits or failed.
    pub stage: Option<String>,
    /// The attempt that is on, or comes next, or was the last.
    pub attempt: Option<i32>,
    pub max_attempts: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    /// What keeps it from moving.
    pub waiting: Option<Waiting>,
    /// The pause that holds it.
    pub pause: Option<PauseSeen>,
    /// The run of its session that goes first.
    pub ahead: Option<Ahead>,
    /// Its place, if it is ready.
    pub place: Option<Place>,
    /// Who works on it.
    pub holder: Option<Holder>,
    /// When it fails, if it has not ended by then.
    pub deadline_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What keeps it for somebody to decide.
    pub dead_letter: Option<Letter>,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Place {
    /// Ready steps of the lane that go first, up to [`MOST_AHEAD`].
    pub ahead: i64,
    /// Those of them that are the organisation's.
    pub ahead_of_org: i64,
    /// What the step is ordered by.
    pub fair_rank: i64,
    /// Where the lane is.
    pub lane_rank: i64,
    /// Runs of the organisation that its lane has still to serve.
    pub org_backlog: i64,
    /// Living workers that know it and are not draining.
    pub workers: i64,
}

/// Who works on a step.
#[derive(Debug, Clone, Serialize)]
pub struct Holder {
    /// The worker.
    pub worker_id: WorkerId,
    /// Its machine.
    pub host: Option<String>,
    /// Its process.
    pub pid: Option<i32>,
    /// Its lease holds.
    pub is_alive: bool,
    /// Since when.
    pub claimed_at: Option<DateTime<Utc>>,
}

/// A dead letter.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// Its id.
    pub id: DeadLetterId,
    /// `pending`, `investigating`, `resolved` or `abandoned`.
    pub status: String,
    /// How it was resolved.
    pub resolution: Option<String>,
}

/// Explains a run, and after it the runs that it waits for, each for the next. Empty: there is none. For operators.
///
/// # Errors
/// If the database can't be read.
pub async fn explain(db: &Database, run: RunId) -> Result<Vec<Explanation>, DatabaseError> {
    let mut chain: Vec<Explanation> = Vec::new();
    let mut next = Some(run);
    while let Some(run) = next.filter(|run| chain.len() < LONGEST_CHAIN && chain.iter().all(|one| one.run_id != *run)) {
        let Some(one) = one(db, run).await? else { break };
        next = one.ahead.map(|ahead| ahead.run);
        chain.push(one);
    }
    Ok(chain)
}

async fn one(db: &Database, run: RunId) -> Result<Option<Explanation>, DatabaseError> {
    let mut tx = db.begin().await?;
    let Some(more) = more(&mut tx, run).await? else { return Ok(None) };
    let viewer = Viewer { user_id: UserId::new(), sees_all: true };
    let Some(found) = runs::get(&mut tx.enter(more.org).await?, run, viewer).await? else { return Ok(None) };
    let row = &found.row;
    let progress = row.progress();
    let error = row.failure.clone().map(serde_json::from_value::<Failure>).transpose()?;
    Ok(Some(Explanation {
        run_id: row.id,
        org_id: row.org_id,
        batch_id: row.batch_id.map(BatchId::from),
        pipeline: row.pipeline.clone(),
        pipeline_version: row.pipeline_version,
        lane: row.behavior.clone(),
        status: row.status.clone(),
        status_reason: row.status_reason.clone(),
        generation: row.generation,
        stage: progress.stage,
        attempt: progress.attempt,
        max_attempts: progress.max_attempts,
        created_at: row.created_at,
        completed_at: row.completed_at,
        waiting: row.waiting(),
        pause: row.pause(),
        ahead: row.ahead(),
        place: more.place,
        holder: more.holder,
        deadline_at: more.deadline_at,
        error,
        dead_letter: more.letter,
        now: more.now,
    }))
}

/// What only operators are told.
struct More {
    org: OrgId,
    now: DateTime<Utc>,
    deadline_at: Option<DateTime<Utc>>,
    place: Option<Place>,
    holder: Option<Holder>,
    letter: Option<Letter>,
}

async fn more(tx: &mut Tx, run: RunId) -> Result<Option<More>, DatabaseError> {
    let row = sqlx::query_file!("src/pulse/explain.sql", run.uuid(), MOST_AHEAD).fetch_optional(tx.connection()).await?;
    let Some(row) = row else { return Ok(None) };
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
    Ok(Some(More {
        org: row.org_id,
        now: row.now,
        deadline_at: row.deadline_at.filter(|_| !row.has_ended),
        place: row.place.map(|place| Place {
            ahead: number(&place, "ahead"),
            ahead_of_org: number(&place, "ahead_of_org"),
            fair_rank: number(&place, "fair_rank"),
            lane_rank: number(&place, "lane_rank"),
            org_backlog: number(&place, "org_backlog"),
            workers: number(&place, "workers"),
        }),
        holder: row.worker_id.map(|worker_id| Holder {
            worker_id,
            host: row.host,
            pid: row.pid,
            is_alive: row.is_alive,
            claimed_at: row.claimed_at,
        }),
        letter: row.letter_id.zip(row.letter_status).map(|(id, status)| Letter {
            id,
            status,
            resolution: row.letter_resolution,
        }),
    }))
}
