//! A batch as it is seen: its row, its items counted, what it has cost; in one statement, so that all of it is of one
//! moment.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::BatchStatus;
use crate::content::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ImportId, OrgId, ProductId, UserId};
use crate::pulse::why::PauseSeen;

/// More batches than this can't be under way in an organisation, whatever is set.
pub const MAX_LIVE: i64 = 1_000;

/// A batch.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the columns of email_batches, by their names")]
pub struct Batch {
    pub id: BatchId,
    pub org_id: OrgId,
    pub name: Option<String>,
    pub status: String,
    pub waiting: Option<Value>,
    pub round: i32,
    pub product_id: Option<ProductId>,
    pub email_type: String,
    pub instructions: Option<String>,
    pub quality_mode: String,
    pub filter: Option<Value>,
    pub import_id: Option<ImportId>,
    pub sample: Option<i32>,
    pub is_approved: bool,
    pub max_cost_cents: Option<Decimal>,
    pub estimated_cost_cents: Decimal,
    pub skipped_duplicates: i32,
    pub skipped_inactive: i32,
    pub created_by: Option<UserId>,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Its items, by how they stand.
    pub counts: Counts,
    /// What its ended items cost, and its live ones so far.
    pub cost_cents: Decimal,
    /// Items completed within the last minute.
    pub completed_in_last_minute: i64,
    /// Items that may be admitted now and haven't ended.
    pub to_do: i64,
    /// Whether any worker is alive.
    pub has_worker: bool,
    /// What stands still that it is of, itself included.
    pub pause: Option<PauseSeen>,
    /// What its live runs wait for, if none of them moves: what is over first.
    pub delay: Option<Delay>,
    /// When this was read, by the database's clock.
    pub at: DateTime<Utc>,
}

/// Why the step of a batch's run is delayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// The reason's word.
    pub reason: Option<String>,
    /// The same, for people.
    pub detail: Option<String>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// A batch's items, by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: i64,
    /// Not begun.
    pub queued: i64,
    /// Being written.
    pub running: i64,
    /// Written.
    pub completed: i64,
    /// Failed.
    pub failed: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Written, with something to look at.
    pub warnings: i64,
}

struct Row {
    id: BatchId,
    org_id: OrgId,
    name: Option<String>,
    status: String,
    waiting: Option<Value>,
    round: i32,
    product_id: Option<ProductId>,
    email_type: String,
    instructions: Option<String>,
    quality_mode: String,
    filter: Option<Value>,
    import_id: Option<ImportId>,
    sample: Option<i32>,
    is_approved: bool,
    max_cost_cents: Option<Decimal>,
    estimated_cost_cents: Decimal,
    skipped_duplicates: i32,
    skipped_inactive: i32,
    created_by: Option<UserId>,
    created_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    total: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
    warned: i64,
    sample_to_do: i64,
    ended_cost: Decimal,
    running: i64,
    live_cost: Decimal,
    last_minute: i64,
    has_worker: bool,
    pause_scope: Option<String>,
    pause_key: Option<String>,
    pause_reason: Option<String>,
    pause_until: Option<DateTime<Utc>>,
    moving: i64,
    delay_reason: Option<String>,
    delay_detail: Option<String>,
    delayed_until: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
}

/// One statement's columns, for one batch and for many. What waits in a batch that is being cancelled is not begun any more, and
/// counts as what it will be: cancelled, or failed if it waited for a retry. A run that waits for its time, or that a pause holds,
/// isn't being written. Each part is looked up by an index of the items: the join with the
/// live runs is never wider than a window of admission.
macro_rules! select {
    (@ $where:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT b.id AS "id: BatchId", b.org_id AS "org_id: OrgId", b.name, b.status, b.waiting, b.round,
                 b.product_id AS "product_id: ProductId", b.email_type, b.instructions, b.quality_mode, b.filter,
                 b.import_id AS "import_id: ImportId", b.sample, b.is_approved, b.max_cost_cents, b.estimated_cost_cents,
                 b.skipped_duplicates, b.skipped_inactive, b.created_by AS "created_by: UserId", b.created_at, b.completed_at,
                 c.total AS "total!", c.completed AS "completed!", c.failed AS "failed!",
                 c.cancelled AS "cancelled!", c.warned AS "warned!", c.sample_to_do AS "sample_to_do!", c.ended_cost AS "ended_cost!",
                 l.running AS "running!", l.live_cost AS "live_cost!", m.last_minute AS "last_minute!",
                 EXISTS (SELECT 1 FROM workers w WHERE w.lease_until > now() AND NOT w.draining) AS "has_worker!",
                 a.scope AS "pause_scope?", a.key AS "pause_key?", a.reason AS "pause_reason?", a.until AS "pause_until?",
                 l.moving AS "moving!", l.delay ->> 0 AS delay_reason, l.delay ->> 1 AS delay_detail, l.delayed_until AS delayed_until,
                 statement_timestamp() AS "at!"
               FROM (SELECT * FROM email_batches "# + $where + r#") b
               CROSS JOIN LATERAL (
                 SELECT count(*) AS total, count(*) FILTER (WHERE i.status = 'completed') AS completed, count(*) FILTER (WHERE i.status = 'failed' OR i.status = 'waiting' AND b.status = 'cancelling' AND i.run_id IS NOT NULL) AS failed,
                   count(*) FILTER (WHERE i.status = 'cancelled' OR i.status = 'waiting' AND b.status = 'cancelling' AND i.run_id IS NULL) AS cancelled,
                   count(*) FILTER (WHERE i.status = 'completed' AND i.warnings > 0) AS warned,
                   count(*) FILTER (WHERE i.sampled AND i.status IN ('waiting', 'admitted')) AS sample_to_do,
                   coalesce(sum(i.cost_cents), 0) AS ended_cost
                 FROM batch_items i WHERE i.batch_id = b.id AND i.org_id = b.org_id
               ) c
               CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE r.status = 'running' AND (coalesce(s.status, 'running') = 'running' OR s.status = 'ready' AND b.status <> 'paused')) AS running,
                   coalesce(sum(r.total_cost_cents), 0) AS live_cost, count(*) FILTER (WHERE s.status IN ('ready', 'running')) AS moving,
                   (array_agg(jsonb_build_array(s.delay_reason, s.detail) ORDER BY s.available_at) FILTER (WHERE s.status = 'delayed'))[1] AS delay,
                   min(s.available_at) AS delayed_until
                 FROM batch_items i
                 CROSS JOIN LATERAL (SELECT status, total_cost_cents FROM pipeline_runs WHERE id = i.run_id OFFSET 0) r
                 LEFT JOIN LATERAL (
                   SELECT p.status, p.delay_reason, p.available_at, coalesce(p.delay_detail, p.error ->> 'message') AS detail FROM pipeline_steps p
                   WHERE p.run_id = i.run_id AND p.status NOT IN ('completed', 'skipped')
                   ORDER BY CASE p.status WHEN 'running' THEN 0 WHEN 'ready' THEN 1 WHEN 'delayed' THEN 2 ELSE 3 END LIMIT 1
                 ) s ON true
                 WHERE i.batch_id = b.id AND i.org_id = b.org_id AND i.status = 'admitted'
               ) l
               CROSS JOIN LATERAL (
                 SELECT count(*) AS last_minute FROM batch_items i
                 WHERE i.batch_id = b.id AND i.org_id = b.org_id AND i.ended_at > now() - interval '1 minute' AND i.status = 'completed'
               ) m
               LEFT JOIN LATERAL (
                 SELECT u.scope, u.key, u.reason, u.until FROM pauses u
                 WHERE (u.until IS NULL OR u.until > now())
                   AND (u.scope, u.key) IN (('batch', b.id::text), ('org', b.org_id::text), ('pipeline', 'email'), ('lane', 'bulk'))
                 ORDER BY u.scope LIMIT 1
               ) a ON true
               ORDER BY b.created_at DESC, b.id DESC"#,
            $($argument),+
        )
    };
    ($($tail:tt)+) => {
        select!(@ $($tail)+)
    };
}

/// One batch.
///
/// # Errors
/// If the database can't be read.
pub async fn get(tx: &mut OrgTx<'_>, id: BatchId) -> Result<Option<Batch>, DatabaseError> {
    Ok(many(tx, &[id]).await?.pop())
}

/// These batches, as far as they are the organisation's.
///
/// # Errors
/// If the database can't be read.
pub async fn many(tx: &mut OrgTx<'_>, ids: &[BatchId]) -> Result<Vec<Batch>, DatabaseError> {
    let org = tx.org().uuid();
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let rows = select!("WHERE org_id = $1 AND id = ANY ($2)", org, &ids).fetch_all(tx.connection()).await?;
    Ok(rows.into_iter().map(Batch::from).collect())
}

/// A page of the organisation's batches, newest first.
///
/// # Errors
/// If the database can't be read.
pub async fn list(
    tx: &mut OrgTx<'_>,
    status: Option<BatchStatus>,
    after: Option<(DateTime<Utc>, BatchId)>,
    limit: i64,
) -> Result<Vec<Batch>, DatabaseError> {
    let org = tx.org().uuid();
    let rows = select!(
        "WHERE org_id = $1 AND ($2::text IS NULL OR status = $2)
           AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $5",
        org,
        status.map(BatchStatus::as_str),
        after.map(|(created_at, _)| created_at),
        after.map(|(_, id)| id.uuid()),
        limit
    );
    Ok(rows.fetch_all(tx.connection()).await?.into_iter().map(Batch::from).collect())
}

/// How many [`list`] would give in all.
///
/// # Errors
/// If the database can't be read.
pub async fn count(tx: &mut OrgTx<'_>, status: Option<BatchStatus>) -> Result<Total, DatabaseError> {
    let org = tx.org().uuid();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
             SELECT 1 FROM email_batches WHERE org_id = $1 AND ($2::text IS NULL OR status = $2) LIMIT $3) one"#,
        org,
        status.map(BatchStatus::as_str),
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

fn pause(
    scope: Option<String>,
    key: Option<String>,
    reason: Option<String>,
    until: Option<DateTime<Utc>>,
) -> Option<PauseSeen> {
    Some(PauseSeen { scope: scope?, key: key?, reason: reason?, until })
}

impl From<Row> for Batch {
    fn from(row: Row) -> Self {
        let ended = row.completed + row.failed + row.cancelled;
        let left = row.total - ended;
        let counts = Counts {
            total: row.total,
            queued: left - row.running,
            running: row.running,
            completed: row.completed,
            failed: row.failed,
            cancelled: row.cancelled,
            warnings: row.warned,
        };
        Self {
            counts,
            cost_cents: row.ended_cost + row.live_cost,
            completed_in_last_minute: row.last_minute,
            to_do: if row.is_approved { left } else { row.sample_to_do },
            id: row.id,
            org_id: row.org_id,
            name: row.name,
            status: row.status,
            waiting: row.waiting,
            round: row.round,
            product_id: row.product_id,
            email_type: row.email_type,
            instructions: row.instructions,
            quality_mode: row.quality_mode,
            filter: row.filter,
            import_id: row.import_id,
            sample: row.sample,
            is_approved: row.is_approved,
            max_cost_cents: row.max_cost_cents,
            estimated_cost_cents: row.estimated_cost_cents,
            skipped_duplicates: row.skipped_duplicates,
            skipped_inactive: row.skipped_inactive,
            created_by: row.created_by,
            created_at: row.created_at,
            completed_at: row.completed_at,
            has_worker: row.has_worker,
            pause: pause(row.pause_scope, row.pause_key, row.pause_reason, row.pause_until),
            delay: row.delayed_until.filter(|_| row.moving == 0).map(|until| Delay {
                reason: row.delay_reason,
                detail: row.delay_detail,
                until,
            }),
            at: row.at,
        }
    }
}

impl Batch {
    /// How it ended, if all its items have: `all_succeeded`, `some_failed` or `all_failed`.
    #[must_use]
    pub fn outcome(&self) -> Option<&'static str> {
        if self.status != BatchStatus::Completed.as_str() {
            return None;
        }
        Some(match (self.counts.completed, self.counts.total - self.counts.completed) {
            (_, 0) => "all_succeeded",
            (0, _) => "all_failed",
            _ => "some_failed",
        })
    }

    /// When it will be done if it goes on like in the last minute; `None` if it doesn't move.
    #[must_use]
    pub fn eta(&self) -> Option<DateTime<Utc>> {
        let moves = self.status == BatchStatus::Running.as_str() && self.completed_in_last_minute > 0 && self.to_do > 0;
        let left_ms = self.to_do.saturating_mul(60_000) / self.completed_in_last_minute.max(1);
        if moves { self.at.checked_add_signed(chrono::TimeDelta::milliseconds(left_ms)) } else { None }
    }
}
