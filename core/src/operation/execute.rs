//! Carrying operations out: one item a transaction, which holds the operation's row. So an abort is done when it returns, and of
//! two who do this at once one waits for nothing and takes another operation. What a transaction did is in the item: after a
//! crash or a lost answer the next look goes on behind it.

use std::time::Duration;

use uuid::Uuid;

use super::item::{Held, Item, Outcome};
use super::{Kind, OperationStatus};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{OperationId, OrgId, RunId, UserId};
use crate::pipeline::{self, Pipeline};
use crate::queue::Wakes;

/// An item that could not be locked this often is given up.
const MAX_TRIES: i16 = 5;
/// Between two looks at how the first few end.
const LOOK_MS: i64 = 250;

/// What it takes to carry out.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// How long an attempt at a stage may take, where the graph doesn't say.
    pub stage_timeout_ms: i32,
    /// The graphs that are known.
    pub pipelines: &'a [&'static Pipeline],
}

impl Default for Means<'_> {
    fn default() -> Self {
        Self { stage_timeout_ms: 30_000, pipelines: &pipeline::ALL }
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// Nothing is due; the next is after this long, if one is known.
    Idle(Option<Duration>),
    /// An item was done, refused, or put off; or it was seen how the first few stand.
    Moved(OperationId),
    /// An operation came to its end.
    Ended(OperationId, OperationStatus),
}

/// Looks at the operation that is due, and does its next item. After the commit, wake.
///
/// # Errors
/// If the database refuses, or gave no answer: looking again goes on where this came to.
pub async fn advance(db: &Database, means: &Means<'_>) -> Result<(Advanced, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    let Some(op) = due(&mut tx).await? else {
        let rest = rest(&mut tx).await?;
        return Ok((Advanced::Idle(rest), Wakes::default()));
    };
    let item = next_item(&mut tx, &op).await?;
    let id = op.held.id;
    let Some(item) = item else {
        let ended = settle_phase(&mut tx, &op).await?;
        tx.commit().await?;
        return Ok((ended.map_or(Advanced::Moved(id), |status| Advanced::Ended(id, status)), Wakes::default()));
    };
    match op.held.carry_out(&mut tx, &item, means).await {
        Ok((outcome, wakes)) => {
            write(&mut tx, id, item.n, &outcome).await?;
            tx.commit().await?;
            Ok((Advanced::Moved(id), wakes))
        }
        Err(error) if is_answer(&error) => {
            drop(tx);
            put_off(db, id, item.n, &error).await?;
            Ok((Advanced::Moved(id), Wakes::default()))
        }
        Err(error) => Err(error),
    }
}

/// The database said no, to this item; else nobody knows what it would say.
fn is_answer(error: &DatabaseError) -> bool {
    error.sqlstate().is_some() || matches!(error, DatabaseError::Json(_) | DatabaseError::Unknown(_))
}

struct Due {
    held: Held,
    status: OperationStatus,
    canary: i32,
}

async fn due(tx: &mut Tx) -> Result<Option<Due>, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: OperationId", kind, actor, user_id AS "user_id: UserId", reason, options, status, canary FROM ops
           WHERE ended_at IS NULL AND next_at <= clock_timestamp() ORDER BY next_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"#
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        let held = Held {
            id: row.id,
            kind: Kind::parse(&row.kind)?,
            actor: row.actor,
            user: row.user_id,
            reason: row.reason,
            options: serde_json::from_value(row.options)?,
        };
        Ok(Due { held, status: OperationStatus::parse(&row.status)?, canary: row.canary })
    })
    .transpose()
}

async fn rest(tx: &mut Tx) -> Result<Option<Duration>, DatabaseError> {
    let ms = sqlx::query_scalar!(
        r#"SELECT (extract(epoch FROM min(next_at) - clock_timestamp()) * 1000)::bigint FROM ops WHERE ended_at IS NULL"#
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))))
}

/// Of the first few only, as long as it isn't known how they end. What could not be locked comes last.
async fn next_item(tx: &mut Tx, op: &Due) -> Result<Option<Item>, DatabaseError> {
    let below = if op.status == OperationStatus::Canary { op.canary } else { i32::MAX };
    Ok(sqlx::query_as!(
        Item,
        r#"SELECT i.n, i.org_id AS "org_id: OrgId", i.target_id, i.run_id AS "run_id: RunId", d.generation AS "generation?"
           FROM op_items i LEFT JOIN dead_letter_queue d ON d.id = i.target_id
           WHERE i.op_id = $1 AND i.status = 'pending' AND i.n < $2 ORDER BY i.tries, i.n LIMIT 1"#,
        op.held.id.uuid(),
        below,
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// Nothing is left of this phase: the first few are looked at, or all is done. Says whether the operation ended.
async fn settle_phase(tx: &mut Tx, op: &Due) -> Result<Option<OperationStatus>, DatabaseError> {
    let id = op.held.id.uuid();
    if op.status != OperationStatus::Canary {
        return end(tx, id, OperationStatus::Done, None).await.map(Some);
    }
    let first = sqlx::query!(
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE i.status = 'failed') AS "refused!",
             count(*) FILTER (WHERE i.status = 'ok' AND r.generation = i.generation AND r.completed_at IS NULL) AS "live!",
             count(*) FILTER (WHERE i.status = 'ok' AND r.generation = i.generation AND r.status = 'completed') AS "completed!"
           FROM op_items i LEFT JOIN pipeline_runs r ON r.id = i.run_id WHERE i.op_id = $1 AND i.n < $2"#,
        id,
        op.canary,
    )
    .fetch_one(tx.connection())
    .await?;
    if first.refused == 0 && first.completed == first.all {
        sqlx::query!("UPDATE ops SET status = 'running', updated_at = clock_timestamp() WHERE id = $1", id)
            .execute(tx.connection())
            .await?;
        return Ok(None);
    }
    if first.refused + first.completed + first.live < first.all || first.refused > 0 {
        let said = format!(
            "canary: {} of {} did not end well; the rest was left",
            first.all - first.completed - first.live,
            first.all
        );
        return end(tx, id, OperationStatus::Failed, Some(&said)).await.map(Some);
    }
    sqlx::query!(
        "UPDATE ops SET next_at = clock_timestamp() + $2::bigint * interval '1 ms' WHERE id = $1",
        id,
        LOOK_MS
    )
    .execute(tx.connection())
    .await?;
    Ok(None)
}

async fn end(
    tx: &mut Tx,
    id: Uuid,
    status: OperationStatus,
    reason: Option<&str>,
) -> Result<OperationStatus, DatabaseError> {
    sqlx::query!(
        "UPDATE ops SET status = $2, status_reason = $3, ended_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = $1",
        id,
        status.as_str(),
        reason,
    )
    .execute(tx.connection())
    .await?;
    Ok(status)
}

/// The item, the counts, and when the next one's time is: what was late may be caught up with, but not more than a second of it.
async fn write(tx: &mut Tx, op: OperationId, n: i32, outcome: &Outcome) -> Result<(), DatabaseError> {
    let (ok, generation, error) = match outcome {
        Outcome::Ok(generation) => (true, *generation, None),
        Outcome::Refused(why) => (false, None, Some(why.as_str())),
    };
    sqlx::query!(
        "UPDATE op_items SET status = CASE WHEN $3 THEN 'ok' ELSE 'failed' END, generation = $4, error = $5, done_at = clock_timestamp()
         WHERE op_id = $1 AND n = $2",
        op.uuid(),
        n,
        ok,
        generation,
        error,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "UPDATE ops SET done = done + 1, ok = ok + CASE WHEN $2 THEN 1 ELSE 0 END, failed = failed + CASE WHEN $2 THEN 0 ELSE 1 END,
           next_at = CASE WHEN rate_per_s IS NULL THEN clock_timestamp()
             ELSE greatest(next_at, clock_timestamp() - interval '1 second') + interval '1 second' / rate_per_s END,
           updated_at = clock_timestamp()
         WHERE id = $1",
        op.uuid(),
        ok,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Somebody held what it needs: it goes behind the others. What is refused by the database, or held again and again, is failed.
async fn put_off(db: &Database, op: OperationId, n: i32, error: &DatabaseError) -> Result<(), DatabaseError> {
    let mut tx = db.begin().await?;
    let held = sqlx::query_scalar!(
        r#"SELECT id AS "id: OperationId" FROM ops WHERE id = $1 AND ended_at IS NULL FOR NO KEY UPDATE"#,
        op.uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    if held.is_none() {
        return Ok(());
    }
    let tries = sqlx::query_scalar!(
        "UPDATE op_items SET tries = tries + 1 WHERE op_id = $1 AND n = $2 AND status = 'pending' RETURNING tries",
        op.uuid(),
        n,
    )
    .fetch_optional(tx.connection())
    .await?;
    if tries.is_some_and(|tries| tries >= MAX_TRIES || error.is_rejected()) {
        let why = match error.sqlstate() {
            Some(state) if error.is_rejected() => format!("the database refused it ({state})"),
            _ => "it was held by somebody else each time".to_owned(),
        };
        write(&mut tx, op, n, &Outcome::Refused(why)).await?;
    }
    tx.commit().await
}
