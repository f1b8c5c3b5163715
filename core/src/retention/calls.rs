//! The ledger: what was asked and answered goes first, the calls themselves go with their months, once no run has any there.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::months::{self, Month, Parent};
use super::{BATCH, Pruned};
use crate::database::Database;
use crate::error::DatabaseError;

/// Where blanking has come, so that it doesn't look again at what is blank.
const MARK: &str = "prompts";

/// Blanks prompts and answers, oldest first. A call that is open is left for another time, and so is what comes after it.
pub(super) async fn blank(db: &Database, days: i32) -> Result<Pruned, DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let mark = mark(tx.connection()).await?;
    let looked = sqlx::query!(
        r#"SELECT id, completed_at IS NULL AS "is_open!" FROM provider_calls
           WHERE id > $1 AND id < uuid_at(now() - $2::int * interval '1 day') ORDER BY id LIMIT $3"#,
        mark,
        days,
        BATCH,
    )
    .fetch_all(tx.connection())
    .await?;
    let closed: Vec<Uuid> = looked.into_iter().take_while(|call| !call.is_open).map(|call| call.id).collect();
    let Some(&up_to) = closed.last() else { return Ok(Pruned::default()) };
    let gone = sqlx::query!(
        "UPDATE provider_calls SET prompt_messages = NULL, prompt_text = NULL, output_content = NULL, output_parsed = NULL
         WHERE id = ANY($1) AND (prompt_messages IS NOT NULL OR prompt_text IS NOT NULL OR output_content IS NOT NULL
           OR output_parsed IS NOT NULL)",
        &closed
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO retention_marks AS m (name, up_to) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET up_to = greatest(m.up_to, excluded.up_to)",
        MARK,
        up_to,
    )
    .execute(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(Pruned::of(&closed, gone.rows_affected()))
}

async fn mark(connection: &mut PgConnection) -> Result<Uuid, DatabaseError> {
    let mark = sqlx::query_scalar!("SELECT up_to FROM retention_marks WHERE name = $1", MARK);
    Ok(mark.fetch_optional(connection).await?.unwrap_or(Uuid::nil()))
}

/// Drops a month of calls. One in which a run that is kept has calls stays: it is looked at again when that run is gone.
pub(super) async fn prune(db: &Database, days: i32) -> Result<Pruned, DatabaseError> {
    for month in months::past(db, Parent::ProviderCalls, days).await? {
        if !is_needed(db, &month).await? && month.drop_it(db).await? {
            return Ok(Pruned { gone: month.rows, next: Some(Uuid::nil()) });
        }
    }
    Ok(Pruned::default())
}

/// A run with calls in this month is no younger than they are. Of those as old most are gone; there are few to look at.
async fn is_needed(db: &Database, month: &Month) -> Result<bool, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pipeline_runs r JOIN provider_calls c ON c.pipeline_run_id = r.id
             WHERE r.id < $2 AND c.id >= $1 AND c.id < $2) AS "is_needed!""#,
        month.low,
        month.high,
    )
    .fetch_one(db.fast())
    .await?)
}

pub(super) async fn due_blank(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    let mark = mark(connection).await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM provider_calls
           WHERE id > $1 AND id < uuid_at(now() - $2::int * interval '1 day') AND completed_at IS NOT NULL
             AND (prompt_messages IS NOT NULL OR prompt_text IS NOT NULL OR output_content IS NOT NULL OR output_parsed IS NOT NULL)
           LIMIT $3) c"#,
        mark,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}

/// Calls whose run is gone, of months that are over.
pub(super) async fn due(connection: &mut PgConnection, days: i32, most: i64) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM provider_calls c
           WHERE c.id < uuid_at(date_trunc('month', (now() - $1::int * interval '1 day') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
             AND NOT EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.id = c.pipeline_run_id) LIMIT $2) c"#,
        days,
        most,
    )
    .fetch_one(connection)
    .await?)
}
