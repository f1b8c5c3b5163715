//! Steps for operators: the queue's rows, by the one filter.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::filter::{ErrorPattern, Filter};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{BatchId, LeaseToken, OrgId, RunId, SessionId, UserId, WorkerId};
use crate::run::Lane;

/// A step, in a line.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of pipeline_steps, by their names")]
pub struct ListedStep {
    pub run_id: RunId,
    pub stage: i16,
    pub kind: String,
    pub org_id: OrgId,
    pub org: Option<String>,
    pub batch_id: Option<BatchId>,
    pub lane: String,
    pub status: String,
    pub held_by: Option<String>,
    pub delay_reason: Option<String>,
    pub available_at: Option<DateTime<Utc>>,
    pub deadline_at: DateTime<Utc>,
    pub worker_id: Option<WorkerId>,
    pub lease_token: Option<LeaseToken>,
    pub claimed_at: Option<DateTime<Utc>>,
    pub must_end_by: Option<DateTime<Utc>>,
    pub failures: i16,
    pub crashes: i16,
    pub snoozes: i32,
    pub max_attempts: i16,
    pub timeout_ms: i32,
    pub error: Option<Value>,
    pub run_status: String,
    /// How long it runs, or has been over; of one that waits, how long its work might have begun.
    pub age_ms: i64,
}

impl ListedStep {
    /// The name of its stage.
    #[must_use]
    pub fn stage_name(&self) -> &str {
        crate::pipeline::stage_of_kind(&self.kind)
    }

    /// The code of what went wrong last.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.error.as_ref()?.get("code")?.as_str()
    }
}

/// Which steps, beside the filter of their runs.
#[derive(Debug, Clone, Default)]
pub struct StepFilter {
    /// That stand so; empty: in any way.
    pub states: Vec<String>,
    /// That have stood so for at least this long.
    pub older_than_ms: Option<i64>,
    /// After this run and stage, in the order of the list.
    pub after: Option<(RunId, i16)>,
    /// The oldest runs first.
    pub ascending: bool,
}

macro_rules! select {
    ($filter:expr, $steps:expr, $limit:expr, $order:tt) => {
        sqlx::query_as!(
            ListedStep,
            r#"SELECT s.run_id AS "run_id!: RunId", s.stage AS "stage!", s.kind AS "kind!", s.org_id AS "org_id!: OrgId", o.name AS "org?",
                 s.batch_id AS "batch_id: BatchId", (ARRAY['interactive', 'standard', 'bulk'])[s.lane + 1] AS "lane!", s.status AS "status!",
                 s.held_by, s.delay_reason, s.available_at, s.deadline_at AS "deadline_at!", s.worker_id AS "worker_id: WorkerId",
                 s.lease_token AS "lease_token: LeaseToken", s.claimed_at, s.must_end_by, s.failures AS "failures!", s.crashes AS "crashes!",
                 s.snoozes AS "snoozes!", s.max_attempts AS "max_attempts!", s.timeout_ms AS "timeout_ms!", s.error, r.status AS "run_status!",
                 a.age_ms AS "age_ms!"
               FROM pipeline_steps s JOIN pipeline_runs r ON r.id = s.run_id LEFT JOIN organizations o ON o.id = s.org_id
               CROSS JOIN LATERAL (
                 SELECT (extract(epoch FROM now() - CASE WHEN s.status = 'running' THEN s.claimed_at WHEN s.ended_at IS NOT NULL THEN s.ended_at
                   ELSE s.deadline_at - (ARRAY[$1::bigint, $2::bigint, $3::bigint])[s.lane + 1] * interval '1 ms' END) * 1000)::bigint AS age_ms
               ) a
               WHERE ($4::uuid IS NULL OR s.org_id = $4) AND ($5::text IS NULL OR r.pipeline = $5)
                 AND ($6::text IS NULL OR split_part(s.kind, '/', 2) = $6)
                 AND (cardinality($7::text[]) = 0 OR r.status = ANY($7)) AND (cardinality($8::text[]) = 0 OR s.status = ANY($8))
                 AND ($9::text IS NULL OR s.error ->> 'code' = $9) AND ($10::text IS NULL OR starts_with(s.error ->> 'code', $10))
                 AND ($11::text IS NULL OR s.error ->> 'provider' = $11) AND ($12::uuid IS NULL OR s.batch_id = $12)
                 AND ($13::uuid IS NULL OR r.session_id = $13) AND ($14::uuid IS NULL OR r.user_id = $14)
                 AND ($15::uuid IS NULL OR s.run_id = $15)
                 AND ($16::timestamptz IS NULL OR r.created_at >= $16) AND ($17::timestamptz IS NULL OR r.created_at < $17)
                 AND ($18::bigint IS NULL OR a.age_ms >= $18) "# + $order,
            Lane::Interactive.deadline_ms(),
            Lane::Standard.deadline_ms(),
            Lane::Bulk.deadline_ms(),
            $filter.org_id.map(OrgId::uuid),
            $filter.pipeline.as_deref(),
            $filter.stage.as_deref(),
            &$filter.status,
            &$steps.states,
            $filter.error.as_ref().and_then(ErrorPattern::code),
            $filter.error.as_ref().and_then(ErrorPattern::prefix),
            $filter.provider.as_deref(),
            $filter.batch_id.map(BatchId::uuid),
            $filter.session_id.map(SessionId::uuid),
            $filter.user_id.map(UserId::uuid),
            $filter.run_id.map(RunId::uuid),
            $filter.since,
            $filter.until,
            $steps.older_than_ms,
            $steps.after.map(|(run, _)| run.uuid()).unwrap_or(if $steps.ascending { Uuid::nil() } else { Uuid::max() }),
            $steps.after.map_or(if $steps.ascending { -1 } else { i16::MAX }, |(_, stage)| stage),
            $limit
        )
    };
}

/// Steps, in the order of their runs. For operators.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn list(
    db: &Database,
    filter: &Filter,
    steps: &StepFilter,
    limit: i64,
) -> Result<Vec<ListedStep>, DatabaseError> {
    let mut tx = db.begin().await?;
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(tx.connection()).await?;
    Ok(if steps.ascending {
        let query = select!(
            filter,
            steps,
            limit,
            "AND (s.run_id, s.stage) > ($19::uuid, $20::smallint) ORDER BY s.run_id, s.stage LIMIT $21"
        );
        query.fetch_all(tx.connection()).await?
    } else {
        let query = select!(
            filter,
            steps,
            limit,
            "AND (s.run_id, s.stage) < ($19::uuid, $20::smallint) ORDER BY s.run_id DESC, s.stage DESC LIMIT $21"
        );
        query.fetch_all(tx.connection()).await?
    })
}
