//! Runs that have ended go with their dead letters, chunks and what the ledger has of them outside its months.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{BATCH, Policy, Pruned};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::pipeline::CHAT;

/// Which runs may go, once they are so old: nothing of them is left to do, their batch is gone, their dead letters are closed and
/// old, and of a turn it is settled that its question passed the guard. What a prompt may quote of a session hangs on that, and
/// a run that isn't there is taken to have passed.
macro_rules! prunable {
    ($macro:ident, $head:literal, $tail:literal, $($argument:expr),+) => {
        sqlx::$macro!(
            $head + "r.completed_at < now() - $2::int * interval '1 day' AND (r.turn IS NULL OR r.done & $4 <> 0)
               AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = r.id)
               AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = r.batch_id)
               AND NOT EXISTS (SELECT 1 FROM dead_letter_queue d WHERE d.pipeline_run_id = r.id
                 AND (d.resolved_at IS NULL OR d.resolved_at >= now() - $3::int * interval '1 day')) " + $tail,
            $($argument),+
        )
    };
}

pub(super) async fn prune(db: &Database, policy: &Policy, after: Uuid) -> Result<Pruned, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    // Run ids are UUIDv7: none that is younger than the policy says can have ended before it.
    let looked = sqlx::query_scalar!(
        "SELECT id FROM pipeline_runs WHERE id > $1 AND id < uuid_at(now() - $2::int * interval '1 day') ORDER BY id LIMIT $3",
        after,
        policy.runs_days,
        BATCH,
    )
    .fetch_all(tx.connection())
    .await?;
    let old = prunable!(
        query_scalar,
        "SELECT r.id FROM pipeline_runs r WHERE r.id = ANY($1) AND ",
        "FOR UPDATE OF r SKIP LOCKED",
        &looked,
        policy.runs_days,
        policy.dead_letters_days,
        guarded()
    )
    .fetch_all(tx.connection())
    .await?;
    let old = without_open_letters(&mut tx, old).await?;
    let gone = if old.is_empty() { 0 } else { delete(&mut tx, &old).await? };
    tx.commit().await?;
    Ok(Pruned::of(&looked, gone))
}

/// A dead letter may have been opened again since it was looked at: its row says so once it is locked.
async fn without_open_letters(tx: &mut Tx, runs: Vec<Uuid>) -> Result<Vec<Uuid>, DatabaseError> {
    let letters = sqlx::query!(
        "SELECT pipeline_run_id, resolved_at FROM dead_letter_queue WHERE pipeline_run_id = ANY($1) FOR UPDATE",
        &runs
    )
    .fetch_all(tx.connection())
    .await?;
    let is_open = |run: &Uuid| letters.iter().any(|one| one.pipeline_run_id == *run && one.resolved_at.is_none());
    Ok(runs.into_iter().filter(|run| !is_open(run)).collect())
}

async fn delete(tx: &mut Tx, runs: &[Uuid]) -> Result<u64, DatabaseError> {
    sqlx::query!("DELETE FROM run_stream WHERE run_id = ANY($1)", runs).execute(tx.connection()).await?;
    sqlx::query!("DELETE FROM dead_letter_queue WHERE pipeline_run_id = ANY($1)", runs)
        .execute(tx.connection())
        .await?;
    // Those in a month of their own go with it.
    sqlx::query!(
        "DELETE FROM provider_calls WHERE pipeline_run_id = ANY($1) AND tableoid = 'provider_calls_default'::regclass",
        runs
    )
    .execute(tx.connection())
    .await?;
    let gone = sqlx::query!("DELETE FROM pipeline_runs WHERE id = ANY($1)", runs).execute(tx.connection()).await?;
    Ok(gone.rows_affected())
}

pub(super) async fn due(connection: &mut PgConnection, policy: &Policy, most: i64) -> Result<i64, DatabaseError> {
    let count = prunable!(
        query_scalar,
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM pipeline_runs r WHERE r.id < uuid_at(now() - $2::int * interval '1 day') AND "#,
        "LIMIT $1) c",
        most,
        policy.runs_days,
        policy.dead_letters_days,
        guarded()
    );
    Ok(count.fetch_one(connection).await?)
}

/// The bit of the stage that a question passes before it may be quoted.
fn guarded() -> i64 {
    CHAT.stage("input_guard").map_or(0, |bit| 1 << bit)
}
