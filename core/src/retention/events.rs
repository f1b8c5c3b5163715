//! Events go with their months. Those of what is open stay: of a run that has steps still, which is one that is live or whose
//! dead letter is open, and of a batch that hasn't ended. A month that has such goes row by row, and so does what is in none.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::months::{self, Month, Parent};
use super::{BATCH, Pruned};
use crate::database::Database;
use crate::error::DatabaseError;

pub(super) async fn prune(db: &Database, days: i32) -> Result<Pruned, DatabaseError> {
    for month in months::past(db, Parent::PipelineEvents, days).await? {
        if !is_needed(db, &month).await? && month.drop_it(db).await? {
            return Ok(Pruned { gone: month.rows, next: Some(Uuid::nil()) });
        }
    }
    let end = months::kept_from(&mut *db.durable().acquire().await?, Parent::PipelineEvents, days).await?;
    let gone = prune_rows(db, days, end).await?;
    Ok(Pruned::again(gone))
}

/// Whether something open has events in this month. What is open is asked, for there is little of it.
async fn is_needed(db: &Database, month: &Month) -> Result<bool, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pipeline_steps s JOIN pipeline_events e ON e.pipeline_run_id = s.run_id
               WHERE s.run_id < $2 AND e.id >= $1 AND e.id < $2)
             OR EXISTS (SELECT 1 FROM email_batches b JOIN pipeline_events e ON e.batch_id = b.id
               WHERE b.id < $2 AND b.completed_at IS NULL AND e.id >= $1 AND e.id < $2) AS "is_needed!""#,
        month.low,
        month.high,
    )
    .fetch_one(db.fast())
    .await?)
}

/// Old events before the first month that is kept: those in no month of their own, and those of months that can't go whole.
async fn prune_rows(db: &Database, days: i32, end: Uuid) -> Result<u64, DatabaseError> {
    let gone = sqlx::query!(
        "DELETE FROM pipeline_events t WHERE t.id = ANY(ARRAY(
           SELECT e.id FROM pipeline_events e
           WHERE e.id < uuid_at(now() - $1::int * interval '1 day') AND e.id < $2
             AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = e.pipeline_run_id)
             AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = e.batch_id AND b.completed_at IS NULL)
           ORDER BY e.id LIMIT $3))",
        days,
        end,
        BATCH,
    )
    .execute(db.fast())
    .await?;
    Ok(gone.rows_affected())
}

pub(super) async fn due(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    let end = months::kept_from(&mut *connection, Parent::PipelineEvents, days).await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM pipeline_events e
           WHERE e.id < uuid_at(now() - $1::int * interval '1 day') AND e.id < $3
             AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = e.pipeline_run_id)
             AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = e.batch_id AND b.completed_at IS NULL)
           LIMIT $2) c"#,
        days,
        most,
        end,
    )
    .fetch_one(connection)
    .await?)
}
