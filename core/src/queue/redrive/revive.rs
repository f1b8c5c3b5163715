//! What is written when a failed run lives again: its steps, its row, and what its followers are told.

use serde_json::{Value, json};

use super::{Begin, Model};
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::{DeadLetterId, OrgId, RunId};
use crate::pipeline::Pipeline;
use crate::queue::journal::{self, StreamEvent, WideEvent};
use crate::queue::settle::{self, LockedRun};
use crate::queue::submit::stage_number;
use crate::queue::{batch, rank};
use crate::run::{Lane, RunStatus};
use crate::stream::seq;

/// What became of the redrive of a batch's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::queue) enum OfBatch {
    /// Its run lives again.
    Revived,
    /// Somebody holds it: to be looked at again.
    Locked,
    /// It can't be redriven any more, or was pruned.
    Gone,
}

/// Resumes a failed run of a batch's waiting item. The caller holds the batch's lock, and waits for no run.
pub(in crate::queue) async fn of_batch(tx: &mut Tx, org: OrgId, run: RunId) -> Result<OfBatch, DatabaseError> {
    let locked = settle::lock_free_runs(tx, &[run.uuid()]).await?;
    let Some(locked) = locked.into_iter().next().filter(|locked| locked.org_id == org) else {
        return Ok(if exists(tx, org, run).await? { OfBatch::Locked } else { OfBatch::Gone });
    };
    if locked.status != RunStatus::Failed {
        return Ok(OfBatch::Gone);
    }
    let Some(letter) = close_for_batch(tx, run, locked.generation).await? else { return Ok(OfBatch::Gone) };
    batch::take_item_back(tx, run).await?;
    let begin = Begin { letter, lane: Lane::Bulk, anew: None, input: None, model: Model::Usual };
    revive(tx, &locked, &begin, false).await?;
    Ok(OfBatch::Revived)
}

async fn exists(tx: &mut Tx, org: OrgId, run: RunId) -> Result<bool, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pipeline_runs WHERE id = $1 AND org_id = $2) AS "exists!""#,
        run.uuid(),
        org.uuid()
    )
    .fetch_one(tx.connection())
    .await?)
}

/// The letter, if it is open and its finished stages are there.
async fn close_for_batch(tx: &mut Tx, run: RunId, generation: i32) -> Result<Option<DeadLetterId>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"UPDATE dead_letter_queue SET status = 'resolved', resolution = 'redriven', resolved_at = clock_timestamp(), resolved_by_actor = 'batch',
             retry_count = retry_count + 1, last_retry_at = clock_timestamp(), next_retry_at = NULL, updated_at = clock_timestamp()
           WHERE pipeline_run_id = $1 AND generation = $2 AND status IN ('pending', 'investigating') AND NOT restart_only
           RETURNING id AS "id: DeadLetterId""#,
        run.uuid(),
        generation,
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// A failed run lives again. The caller holds its lock. Returns its life.
pub(super) async fn revive(
    tx: &mut Tx,
    locked: &LockedRun,
    begin: &Begin<'_>,
    waits: bool,
) -> Result<i32, DatabaseError> {
    let (org, run) = (locked.org_id, locked.id);
    let rank = rank::take(tx.connection(), org, begin.lane, 1).await?.start;
    match begin.anew {
        Some(graph) => begin_steps(tx, locked, begin.lane, rank, graph).await?,
        None => revive_steps(tx, run, begin.lane, rank, waits).await?,
    }
    revive_run(tx, run, rank, begin).await?;
    let generation = locked.generation + 1;
    let from = if begin.anew.is_some() { "start" } else { "failed" };
    let data = json!({"generation": generation, "from": from});
    if locked.stream {
        let redriven =
            StreamEvent::new(run, org, seq(locked.major + 1, 0), "run.redriven", json!({"generation": generation}));
        journal::write_stream(tx.connection(), &[redriven]).await?;
    }
    journal::write_wide(tx.connection(), &[wide(locked, data)]).await?;
    Ok(generation)
}

/// For the record: what follows it is another life, and whether finished stages stood.
fn wide(run: &LockedRun, data: Value) -> WideEvent {
    WideEvent {
        run: run.id,
        org: run.org_id,
        request_id: run.request_id.clone(),
        session: run.session_id.map(crate::SessionId::uuid),
        user: run.user_id.map(crate::UserId::uuid),
        event: "run.redriven",
        data,
    }
}

/// A running one thereby loses its token: `running` is left, and a claim makes a new one.
async fn revive_steps(tx: &mut Tx, run: RunId, lane: Lane, rank: i64, waits: bool) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE pipeline_steps SET status = CASE WHEN $3 THEN 'held' ELSE 'ready' END, held_by = CASE WHEN $3 THEN 'turn' END,
           fair_rank = greatest($2, queue_v(lane)), deadline_at = clock_timestamp() + $4::bigint * interval '1 ms',
           failures = 0, crashes = 0, snoozes = 0, error = NULL, ended_at = NULL, available_at = NULL, delay_reason = NULL, delay_detail = NULL,
           lease_token = NULL, worker_id = NULL, claimed_at = NULL, must_end_by = NULL
         WHERE run_id = $1 AND status IN ('dead', 'held', 'running')",
        run.uuid(),
        rank,
        waits,
        lane.deadline_ms(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// All steps go, finished ones too, and the first ones are there again. Whoever still works on one has lost its token.
async fn begin_steps(
    tx: &mut Tx,
    run: &LockedRun,
    lane: Lane,
    rank: i64,
    (graph, stage_timeout_ms): (&'static Pipeline, i32),
) -> Result<(), DatabaseError> {
    sqlx::query!("DELETE FROM pipeline_steps WHERE run_id = $1", run.id.uuid()).execute(tx.connection()).await?;
    for (n, shape) in graph.stages.iter().enumerate().filter(|(n, _)| graph.first() & (1 << n) != 0) {
        sqlx::query!(
            "INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts, batch_id)
             SELECT r.id, $2, $3, r.org_id, $4, greatest($5, queue_v($4)), 'ready', clock_timestamp() + $6::bigint * interval '1 ms', $7, $8,
               r.batch_id
             FROM pipeline_runs r WHERE r.id = $1",
            run.id.uuid(),
            stage_number(n),
            graph.kind(shape),
            lane.number(),
            rank,
            lane.deadline_ms(),
            shape.timeout_ms.unwrap_or(stage_timeout_ms),
            shape.max_attempts,
        )
        .execute(tx.connection())
        .await?;
    }
    sqlx::query!(
        "UPDATE pipeline_runs SET done = 0, made = $2 WHERE id = $1",
        run.id.uuid(),
        graph.first().cast_signed()
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn revive_run(tx: &mut Tx, run: RunId, rank: i64, begin: &Begin<'_>) -> Result<(), DatabaseError> {
    let (keeps_model, model) = match begin.model {
        Model::AsBefore => (true, None),
        Model::Usual => (false, None),
        Model::This(model) => (false, Some(model)),
    };
    sqlx::query!(
        "UPDATE pipeline_runs SET status = 'queued', status_reason = NULL, failure = NULL, error = NULL, error_code = NULL, result = NULL,
           completed_at = NULL, total_latency_ms = NULL, end_token = NULL, generation = generation + 1, fair_rank = $2,
           stream_major = stream_major + 1, input = coalesce($3, input), model_override = CASE WHEN $4 THEN model_override ELSE $5 END
         WHERE id = $1",
        run.uuid(),
        rank,
        begin.input,
        keeps_model,
        model,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
