//! Batches that have ended go before their runs and items: from then on they are not there for anybody.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{BATCH, Pruned};
use crate::database::Database;
use crate::error::DatabaseError;

/// Deletes batches that ended so long ago, with their budgets, unless one of their failed items waits for somebody: its dead
/// letter is open, or its run may be redriven.
pub(super) async fn prune(db: &Database, days: i32, after: Uuid) -> Result<Pruned, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let looked = sqlx::query_scalar!(
        "SELECT id FROM email_batches WHERE id > $1 AND id < uuid_at(now() - $2::int * interval '1 day') ORDER BY id LIMIT $3",
        after,
        days,
        BATCH,
    )
    .fetch_all(tx.connection())
    .await?;
    let old = sqlx::query_scalar!(
        "SELECT b.id FROM email_batches b
         WHERE b.id = ANY($1) AND b.status IN ('completed', 'cancelled') AND b.completed_at < now() - $2::int * interval '1 day'
           AND NOT EXISTS (SELECT 1 FROM batch_items i JOIN pipeline_steps s ON s.run_id = i.run_id
             WHERE i.batch_id = b.id AND i.ended_at IS NOT NULL)
         FOR UPDATE OF b SKIP LOCKED",
        &looked,
        days,
    )
    .fetch_all(tx.connection())
    .await?;
    sqlx::query!("DELETE FROM batch_budgets WHERE batch_id = ANY($1)", &old).execute(tx.connection()).await?;
    let gone = sqlx::query!("DELETE FROM email_batches WHERE id = ANY($1)", &old).execute(tx.connection()).await?;
    tx.commit().await?;
    Ok(Pruned::of(&looked, gone.rows_affected()))
}

/// Deletes items whose batch is gone.
pub(super) async fn prune_items(db: &Database, days: i32) -> Result<Pruned, DatabaseError> {
    let gone = sqlx::query!(
        "DELETE FROM batch_items t WHERE t.ctid = ANY(ARRAY(
           SELECT i.ctid FROM batch_items i
           WHERE i.batch_id < uuid_at(now() - $1::int * interval '1 day')
             AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = i.batch_id)
           ORDER BY i.batch_id, i.n LIMIT $2 FOR UPDATE OF i SKIP LOCKED))",
        days,
        BATCH,
    )
    .execute(db.fast())
    .await?;
    Ok(Pruned::again(gone.rows_affected()))
}

pub(super) async fn due(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM email_batches b
           WHERE b.id < uuid_at(now() - $1::int * interval '1 day') AND b.status IN ('completed', 'cancelled')
             AND b.completed_at < now() - $1::int * interval '1 day'
             AND NOT EXISTS (SELECT 1 FROM batch_items i JOIN pipeline_steps s ON s.run_id = i.run_id
               WHERE i.batch_id = b.id AND i.ended_at IS NOT NULL)
           LIMIT $2) c"#,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn due_items(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM batch_items i
           WHERE i.batch_id < uuid_at(now() - $1::int * interval '1 day')
             AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = i.batch_id)
           LIMIT $2) c"#,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}
