//! Admission: a batch's waiting items become runs, a window of them at a time, so that ten thousand accepted items are no ten
//! thousand rows in everybody's way (`protocol.md` 6). One transaction a batch, the one looked at longest ago first.

use uuid::Uuid;

use super::{lock, sweep};
use crate::batch::BatchStatus;
use crate::content::email::EmailType;
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, EmailId, OrgId, ProductId, RunId};
use crate::pipeline::{EMAIL, EmailInput};
use crate::queue::submit::stage_number;
use crate::queue::{Wakes, rank, redrive};
use crate::run::Lane;

/// At most so many runs are made, or cancelled, in one transaction.
const GROUP: i64 = 500;
/// And so many redriven: each takes statements of its own.
const REDRIVES: i64 = 50;

/// What admission found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// No batch has anything to be done that nobody else is doing.
    Idle,
    /// This batch, of which so much was admitted or cancelled; perhaps there is more at once.
    At {
        /// Which.
        batch: BatchId,
        /// Items that were moved.
        moved: usize,
        /// There is room, and something for it.
        more: bool,
    },
    /// Nothing of this batch waits or is live: its round is over, once [`super::end`] says so.
    Ending {
        /// Which.
        batch: BatchId,
        /// Whose.
        org: OrgId,
        /// Which round.
        round: i32,
    },
}

/// A batch whose row this transaction holds, as admission needs it.
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) org: OrgId,
    pub(super) status: BatchStatus,
    round: i32,
    is_approved: bool,
    product_id: Option<ProductId>,
    email_type: EmailType,
    instructions: Option<String>,
}

/// A waiting item; of one that is to be redriven, its run.
struct Item {
    n: i32,
    client_id: ClientId,
    run_id: Option<RunId>,
}

/// Looks at one batch: admits, or cancels what is live of one that is being cancelled. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn admit(db: &Database, stage_timeout_ms: i32) -> Result<(Looked, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    let mut tx = db.begin().await?;
    let Some(batch) = next(&mut tx).await? else { return Ok((Looked::Idle, wakes)) };
    tx.enter(batch.org).await?;
    let (live, waiting) = counts(&mut tx, &batch).await?;
    let ending = Looked::Ending { batch: batch.id, org: batch.org, round: batch.round };
    let looked = if batch.status == BatchStatus::Cancelling {
        match cancel_some(&mut tx, &batch, (live, waiting), &mut wakes).await? {
            Some(moved) => Looked::At { batch: batch.id, moved, more: moved > 0 },
            None => ending,
        }
    } else if live == 0 && waiting == 0 {
        ending
    } else {
        let room = window(&mut tx).await? - live;
        let items = waiting_items(&mut tx, &batch, room.min(GROUP)).await?;
        let moved = admit_items(&mut tx, &batch, items, stage_timeout_ms).await?;
        if moved > 0 {
            wakes.lane(Lane::Bulk);
        }
        let count = i64::try_from(moved).unwrap_or(i64::MAX);
        Looked::At { batch: batch.id, moved, more: moved > 0 && count < room.min(waiting) }
    };
    tx.commit().await?;
    Ok((looked, wakes))
}

/// Cancels what is live, then what waits; then nothing can be redriven. Returns how much was moved; `None` if nothing is left.
async fn cancel_some(
    tx: &mut Tx,
    batch: &Batch,
    (live, waiting): (i64, i64),
    wakes: &mut Wakes,
) -> Result<Option<usize>, DatabaseError> {
    let moved = if live > 0 { sweep::cancel_live(tx, batch, GROUP, wakes).await? } else { 0 };
    if moved == 0 && waiting > 0 {
        return sweep::cancel_waiting(tx, batch).await.map(Some);
    }
    if live > 0 {
        return Ok(Some(moved));
    }
    let (open, closed) = sweep::close_dead_letters(tx, batch).await?;
    Ok((open > 0).then_some(closed))
}

async fn next(tx: &mut Tx) -> Result<Option<Batch>, DatabaseError> {
    let row = sqlx::query!(
        r#"WITH t AS MATERIALIZED (SELECT set_config('idle_in_transaction_session_timeout', $1, true) AS idle), b AS MATERIALIZED (
             SELECT id FROM email_batches WHERE status IN ('running', 'cancelling') ORDER BY admitted_at LIMIT 1
             FOR NO KEY UPDATE SKIP LOCKED)
           UPDATE email_batches e SET admitted_at = clock_timestamp() FROM b, t WHERE e.id = b.id AND t.idle IS NOT NULL
           RETURNING e.id AS "id: BatchId", e.org_id AS "org_id: OrgId", e.status, e.round, e.is_approved,
             e.product_id AS "product_id: ProductId", e.email_type, e.instructions"#,
        lock::FROZEN,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(Batch {
            id: row.id,
            org: row.org_id,
            status: BatchStatus::parse(&row.status)?,
            round: row.round,
            is_approved: row.is_approved,
            product_id: row.product_id,
            email_type: EmailType::parse(&row.email_type)?,
            instructions: row.instructions,
        })
    })
    .transpose()
}

/// How many items are live, and how many may be admitted: of a batch that waits for a yes, the sample's only.
async fn counts(tx: &mut Tx, batch: &Batch) -> Result<(i64, i64), DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM batch_items WHERE batch_id = $1 AND status = 'admitted') AS "live!",
             (SELECT count(*) FROM (SELECT 1 FROM batch_items WHERE $2 AND batch_id = $1 AND status = 'waiting' LIMIT $3) w)
             + (SELECT count(*) FROM (SELECT 1 FROM batch_items WHERE NOT $2 AND batch_id = $1 AND status = 'waiting' AND sampled LIMIT $3) w)
               AS "waiting!""#,
        batch.id.uuid(),
        batch.is_approved || batch.status == BatchStatus::Cancelling,
        GROUP * 2,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok((row.live, row.waiting))
}

/// How many items of a batch may be live: twice what the living workers can work on at once, so that none of them waits for
/// admission.
async fn window(tx: &mut Tx) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT greatest(256, 2 * coalesce(sum(CASE WHEN slots < 4 THEN slots ELSE slots - 2 * greatest(1, slots / 8) END), 0)) AS "window!"
           FROM workers WHERE lease_until > now() AND NOT draining"#
    )
    .fetch_one(tx.connection())
    .await?)
}

async fn waiting_items(tx: &mut Tx, batch: &Batch, limit: i64) -> Result<Vec<Item>, DatabaseError> {
    if limit <= 0 {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as!(
        Item,
        r#"SELECT n AS "n!", client_id AS "client_id!: ClientId", run_id AS "run_id: RunId" FROM (
             (SELECT n, client_id, run_id FROM batch_items WHERE $2 AND batch_id = $1 AND status = 'waiting' ORDER BY n LIMIT $3)
             UNION ALL
             (SELECT n, client_id, run_id FROM batch_items WHERE NOT $2 AND batch_id = $1 AND status = 'waiting' AND sampled ORDER BY n LIMIT $3)) w"#,
        batch.id.uuid(),
        batch.is_approved,
        limit,
    )
    .fetch_all(tx.connection())
    .await?)
}

async fn admit_items(
    tx: &mut Tx,
    batch: &Batch,
    items: Vec<Item>,
    stage_timeout_ms: i32,
) -> Result<usize, DatabaseError> {
    let (again, mut new): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.run_id.is_some());
    let mut moved = 0;
    for item in again.into_iter().take(usize::try_from(REDRIVES).unwrap_or(usize::MAX)) {
        let Some(run) = item.run_id else { continue };
        match redrive::of_batch(tx, batch.org, run).await? {
            redrive::OfBatch::Revived => moved += 1,
            redrive::OfBatch::Locked => {}
            // Its dead letter was closed by somebody: a new run writes the same email.
            redrive::OfBatch::Gone => new.push(item),
        }
    }
    moved += new.len();
    insert(tx, batch, &new, stage_timeout_ms).await?;
    Ok(moved)
}

async fn insert(tx: &mut Tx, batch: &Batch, items: &[Item], stage_timeout_ms: i32) -> Result<(), DatabaseError> {
    let Ok(count @ 1..) = i64::try_from(items.len()) else { return Ok(()) };
    let ranks = rank::take(tx.connection(), batch.org, Lane::Bulk, count).await?;
    let runs: Vec<Uuid> = items.iter().map(|_| RunId::new().uuid()).collect();
    let places: Vec<i32> = items.iter().map(|item| item.n).collect();
    let targets: Vec<Uuid> = items.iter().map(|item| EmailId::of_item(batch.id, item.n).uuid()).collect();
    let inputs = items.iter().map(|item| serde_json::to_value(batch.input(item))).collect::<Result<Vec<_>, _>>()?;
    let tags: Vec<i64> = (0..count).map(|k| ranks.of(k)).collect();
    let first: Vec<_> = EMAIL.stages.iter().enumerate().filter(|(n, _)| EMAIL.first() & (1 << n) != 0).collect();
    let stages: Vec<i16> = first.iter().map(|(n, _)| stage_number(*n)).collect();
    let kinds: Vec<String> = first.iter().map(|(_, shape)| EMAIL.kind(shape)).collect();
    let timeouts: Vec<i32> = first.iter().map(|(_, shape)| shape.timeout_ms.unwrap_or(stage_timeout_ms)).collect();
    let attempts: Vec<i16> = first.iter().map(|(_, shape)| shape.max_attempts).collect();
    sqlx::query_file!(
        "src/queue/batch/admit.sql",
        &runs,
        &places,
        &targets,
        &inputs,
        &tags,
        EMAIL.name,
        EMAIL.topology(),
        Lane::Bulk.as_str(),
        EMAIL.version,
        Lane::Bulk.number(),
        EMAIL.first().cast_signed(),
        batch.id.uuid(),
        Lane::Bulk.deadline_ms(),
        &stages,
        &kinds,
        &timeouts,
        &attempts,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

impl Batch {
    fn input(&self, item: &Item) -> EmailInput {
        EmailInput {
            email_id: EmailId::of_item(self.id, item.n),
            email_type: self.email_type,
            product_id: self.product_id,
            client_id: Some(item.client_id),
            instructions: self.instructions.clone(),
            name: None,
            description: None,
            session_id: None,
            previous: None,
        }
    }
}
