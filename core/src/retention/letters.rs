//! A closed dead letter stays as long as its run, without what people said: its snapshot goes.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{BATCH, Pruned};
use crate::database::Database;
use crate::error::DatabaseError;

pub(super) async fn blank(db: &Database, days: i32, after: Uuid) -> Result<Pruned, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let looked = sqlx::query_scalar!(
        "SELECT id FROM dead_letter_queue WHERE id > $1 AND id < uuid_at(now() - $2::int * interval '1 day') ORDER BY id LIMIT $3",
        after,
        days,
        BATCH,
    )
    .fetch_all(tx.connection())
    .await?;
    let gone = sqlx::query!(
        "UPDATE dead_letter_queue d SET context_snapshot = '{}', input_data = NULL, payload_pruned_at = clock_timestamp()
         WHERE d.id = ANY(ARRAY(
           SELECT l.id FROM dead_letter_queue l
           WHERE l.id = ANY($1) AND l.resolved_at < now() - $2::int * interval '1 day'
             AND (l.context_snapshot <> '{}' OR l.input_data IS NOT NULL)
           FOR NO KEY UPDATE SKIP LOCKED))",
        &looked,
        days,
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(Pruned::of(&looked, gone.rows_affected()))
}

pub(super) async fn due(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM dead_letter_queue l
           WHERE l.id < uuid_at(now() - $1::int * interval '1 day') AND l.resolved_at < now() - $1::int * interval '1 day'
             AND (l.context_snapshot <> '{}' OR l.input_data IS NOT NULL) LIMIT $2) c"#,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}
