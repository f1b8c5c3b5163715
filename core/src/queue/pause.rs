//! Pause: a lane, a pipeline, an organisation or a batch stands still. A claim that meets a step of it holds it (`claim.sql`),
//! a worker hands nothing of it over, and what runs ends. What is held goes on when its pause is gone.

mod ask;

use std::collections::HashSet;

use uuid::Uuid;

pub use ask::{Asked, Done, Pause, Scope, list, pause, resume};

use super::{RunContext, Wakes};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::RunId;
use crate::run::Lane;

/// How many pauses a worker knows one by one. With more, it hands nothing over and leaves all to the claim.
const KNOWN: i64 = 10_000;
/// How many held steps are looked at at a time.
const GROUP: i64 = 500;

/// What stands still, as a worker last read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses {
    known: HashSet<(String, String)>,
    too_many: bool,
}

impl Pauses {
    /// Reads what stands still now.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn read(db: &Database) -> Result<Self, DatabaseError> {
        let rows = sqlx::query!("SELECT scope, key FROM pauses WHERE until IS NULL OR until > now() LIMIT $1", KNOWN)
            .fetch_all(db.fast())
            .await?;
        let too_many = i64::try_from(rows.len()).is_ok_and(|n| n >= KNOWN);
        Ok(Self { known: rows.into_iter().map(|row| (row.scope, row.key)).collect(), too_many })
    }

    /// Whether a run's steps stand still.
    #[must_use]
    pub fn hold(&self, lane: Lane, pipeline: &str, run: &RunContext) -> bool {
        let is_paused = |scope: &str, key: String| self.known.contains(&(scope.to_owned(), key));
        self.too_many
            || (!self.known.is_empty()
                && (is_paused("lane", lane.as_str().to_owned())
                    || is_paused("pipeline", pipeline.to_owned())
                    || is_paused("org", run.org_id.to_string())
                    || run.batch.is_some_and(|(batch, _)| is_paused("batch", batch.to_string()))))
    }
}

/// Ends the pauses whose time is over, but those of batches, which are resumed.
///
/// # Errors
/// If the server can't be reached.
pub async fn expire(db: &Database) -> Result<(), DatabaseError> {
    sqlx::query!("DELETE FROM pauses WHERE until < now() AND scope <> 'batch'").execute(db.fast()).await?;
    Ok(())
}

/// What was freed of a group of held steps.
#[derive(Debug, Default)]
pub struct Freed {
    /// Where the next group begins; `None`: there is none.
    pub next: Option<RunId>,
    /// Whom to wake.
    pub wakes: Wakes,
}

/// Looks at a group of the steps that are held by a pause, from this run on, and frees those whose pause isn't there any more
/// or is over. They have their whole time again: what stood still must not die of it.
///
/// # Errors
/// If the server can't be reached.
pub async fn free(db: &Database, from: Option<RunId>) -> Result<Freed, DatabaseError> {
    let rows = sqlx::query!(
        r#"WITH g AS MATERIALIZED (
             SELECT ctid AS c, run_id FROM pipeline_steps WHERE held_by = 'pause' AND run_id >= $1 ORDER BY run_id LIMIT $2
           ), f AS MATERIALIZED (
             SELECT s.ctid AS c FROM g JOIN pipeline_steps s ON s.ctid = g.c
             WHERE s.held_by = 'pause'
               AND NOT EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'batch' AND a.key = s.batch_id::text AND (a.until IS NULL OR a.until > now()))
               AND NOT EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'org' AND a.key = s.org_id::text AND (a.until IS NULL OR a.until > now()))
               AND NOT EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'pipeline' AND a.key = split_part(s.kind, '@', 1)
                 AND (a.until IS NULL OR a.until > now()))
               AND NOT EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'lane' AND a.key = (ARRAY['interactive', 'standard', 'bulk'])[s.lane + 1]
                 AND (a.until IS NULL OR a.until > now()))
             FOR NO KEY UPDATE OF s SKIP LOCKED
           ), u AS (
             UPDATE pipeline_steps t SET status = 'ready', held_by = NULL, fair_rank = greatest(t.fair_rank, queue_v(t.lane)),
               deadline_at = clock_timestamp() + (ARRAY[$3::bigint, $4::bigint, $5::bigint])[t.lane + 1] * interval '1 ms'
             FROM f WHERE t.ctid = f.c RETURNING t.lane
           )
           SELECT (SELECT count(*) FROM g) AS "looked!", (SELECT run_id FROM g ORDER BY run_id DESC LIMIT 1) AS "last: RunId",
             ARRAY(SELECT DISTINCT lane FROM u) AS "lanes!""#,
        from.map_or(Uuid::nil(), RunId::uuid),
        GROUP,
        Lane::Interactive.deadline_ms(),
        Lane::Standard.deadline_ms(),
        Lane::Bulk.deadline_ms(),
    )
    .fetch_one(db.fast())
    .await?;
    // A run has fewer steps than a group: the last one is looked at again, for those of it that were not in this one.
    let mut freed = Freed { next: rows.last.filter(|_| rows.looked == GROUP), ..Freed::default() };
    for lane in rows.lanes {
        freed.wakes.lane(Lane::from_number(lane)?);
    }
    Ok(freed)
}
