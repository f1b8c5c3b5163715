//! Records that go by their age alone.

use sqlx::postgres::PgConnection;

use super::{BATCH, Pruned};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::stream::RETENTION_MINUTES;

pub(super) async fn prune_audit_log(db: &Database, days: i32) -> Result<Pruned, DatabaseError> {
    let gone = sqlx::query!(
        "DELETE FROM audit_log WHERE id = ANY(ARRAY(
           SELECT id FROM audit_log WHERE id < uuid_at(now() - $1::int * interval '1 day') ORDER BY id LIMIT $2))",
        days,
        BATCH,
    )
    .execute(db.fast())
    .await?;
    Ok(Pruned::again(gone.rows_affected()))
}

pub(super) async fn due_audit_log(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM audit_log WHERE id < uuid_at(now() - $1::int * interval '1 day') LIMIT $2) c"#,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn due_stream(connection: &mut PgConnection, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM run_stream s LEFT JOIN pipeline_runs r ON r.id = s.run_id
           WHERE s.run_id < uuid_at(now() - $1::int * interval '1 minute')
             AND (r.id IS NULL OR r.completed_at < now() - $1::int * interval '1 minute') LIMIT $2) c"#,
        RETENTION_MINUTES,
        most,
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn due_keys(connection: &mut PgConnection, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM idempotency_keys WHERE created_at < now() - interval '24 hours' LIMIT $1) c"#,
        most
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn due_import_rows(connection: &mut PgConnection, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM client_import_rows WHERE import_id < uuid_at(now() - interval '1 hour') LIMIT $1) c"#,
        most
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn due_workers(connection: &mut PgConnection, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM workers w WHERE w.lease_until < now() - interval '1 hour'
           AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.worker_id = w.id AND s.status = 'running') LIMIT $1) c"#,
        most
    )
    .fetch_one(connection)
    .await?)
}
