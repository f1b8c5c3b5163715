//! What a benchmark asks of the database about itself, with the rights of its cluster's owner.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{BatchId, WorkerId};

/// What a database has done since it was made.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Transactions, committed or not.
    pub transactions: i64,
    /// Rows inserted.
    pub rows_inserted: i64,
    /// Rows updated.
    pub rows_updated: i64,
    /// Rows deleted.
    pub rows_deleted: i64,
    /// Bytes of its cluster's write-ahead log.
    pub wal_bytes: i64,
}

/// What the database has done so far. Each of its processes tells what it did within a second of being idle.
///
/// # Errors
/// If the database can't be read.
pub async fn work(db: &Database) -> Result<Work, DatabaseError> {
    Ok(sqlx::query_as!(
        Work,
        r#"SELECT xact_commit + xact_rollback AS "transactions!", tup_inserted AS "rows_inserted!", tup_updated AS "rows_updated!",
             tup_deleted AS "rows_deleted!", pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS "wal_bytes!"
           FROM pg_stat_database WHERE datname = current_database()"#
    )
    .fetch_one(db.durable())
    .await?)
}

/// Commits one row, durably: the least that anything durable costs here.
///
/// # Errors
/// If the database refuses.
pub async fn commit_one_row(db: &Database) -> Result<(), DatabaseError> {
    sqlx::query!(
        "INSERT INTO leases (name, holder, until) VALUES ('bench', $1, now())
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder",
        WorkerId::new().uuid(),
    )
    .execute(db.durable())
    .await?;
    Ok(())
}

/// How a batch went.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// From its accept to its end, by the database's clock; `None`: it has not ended.
    pub took_ms: Option<i64>,
    /// Its emails that are there.
    pub emails: i64,
}

/// How a batch went.
///
/// # Errors
/// If the database can't be read.
pub async fn course(db: &Database, batch: BatchId) -> Result<Course, DatabaseError> {
    Ok(sqlx::query_as!(
        Course,
        r#"SELECT (extract(epoch FROM b.completed_at - b.created_at) * 1000)::bigint AS took_ms,
             (SELECT count(*) FROM sales_emails e WHERE e.batch_id = b.id) AS "emails!"
           FROM email_batches b WHERE b.id = $1"#,
        batch.uuid()
    )
    .fetch_one(db.durable())
    .await?)
}

/// How many items of a batch ended between the accept and the end of another one.
///
/// # Errors
/// If the database can't be read.
pub async fn ended_during(db: &Database, batch: BatchId, other: BatchId) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM batch_items i JOIN email_batches o ON o.id = $2
           WHERE i.batch_id = $1 AND i.ended_at BETWEEN o.created_at AND o.completed_at"#,
        batch.uuid(),
        other.uuid(),
    )
    .fetch_one(db.durable())
    .await?)
}
