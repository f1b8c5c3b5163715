//! Lists of clients that came in by file. Their members go in batches, then they do; the clients stay.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{BATCH, Pruned};
use crate::database::Database;
use crate::error::DatabaseError;

pub(super) async fn prune(db: &Database, days: i32, after: Uuid) -> Result<Pruned, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let old = sqlx::query!(
        "SELECT id, org_id FROM client_imports WHERE id >= $1 AND id < uuid_at(now() - $2::int * interval '1 day')
         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
        after,
        days,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(old) = old else { return Ok(Pruned::default()) };
    let members = sqlx::query!(
        "DELETE FROM client_import_members WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM client_import_members WHERE org_id = $1 AND import_id = $2 LIMIT $3))",
        old.org_id,
        old.id,
        BATCH,
    )
    .execute(tx.connection())
    .await?;
    let mut gone = 0;
    if i64::try_from(members.rows_affected()).is_ok_and(|n| n < BATCH) {
        let import = sqlx::query!("DELETE FROM client_imports WHERE id = $1", old.id).execute(tx.connection()).await?;
        gone = import.rows_affected();
    }
    tx.commit().await?;
    Ok(Pruned { gone, next: Some(old.id) })
}

pub(super) async fn due(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM client_imports
           WHERE id < uuid_at(now() - $1::int * interval '1 day') LIMIT $2) c"#,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}
