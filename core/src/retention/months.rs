//! Months: events and calls have a partition each, made ahead and dropped when it is over for long enough. The roles own no
//! table: two functions of the owner's do it for them, and take nothing but a month.

use chrono::{Datelike, Months, NaiveDate};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::run::text_enum;

/// How many months are there before they begin.
const AHEAD: u32 = 2;

text_enum! {
    /// What is kept by the month.
    Parent {
        /// Events.
        PipelineEvents = "pipeline_events",
        /// Calls of providers.
        ProviderCalls = "provider_calls",
    }
}

/// A month's partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Month {
    parent: Parent,
    begins: NaiveDate,
    /// The first id that it may hold.
    pub(super) low: Uuid,
    /// The first id that is the next one's.
    pub(super) high: Uuid,
    /// About so many rows.
    pub(super) rows: u64,
}

impl Month {
    /// Drops it, if nobody reads or writes there just now; whether it is gone.
    pub(super) async fn drop_it(&self, db: &Database) -> Result<bool, DatabaseError> {
        let dropped =
            sqlx::query_scalar!(r#"SELECT drop_partition($1, $2) AS "gone!""#, self.parent.as_str(), self.begins)
                .fetch_one(db.durable())
                .await;
        match dropped.map_err(DatabaseError::from) {
            Ok(gone) => Ok(gone),
            Err(error) if error.is_lock_timeout() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The months that have been over for so many days, oldest first.
pub(super) async fn past(db: &Database, parent: Parent, days: i32) -> Result<Vec<Month>, DatabaseError> {
    let rows = sqlx::query!(
        r#"SELECT m.begins AS "begins!", uuid_at(m.begins::timestamp AT TIME ZONE 'UTC') AS "low!",
             uuid_at(m.ends AT TIME ZONE 'UTC') AS "high!", m.rows AS "rows!"
           FROM (SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS begins, to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' AS ends,
                   greatest(c.reltuples, 0)::bigint AS rows
                 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = to_regclass($1) AND c.relname ~ '_[0-9]{4}_[0-9]{2}$') m
           WHERE m.ends + $2::int * interval '1 day' < now() AT TIME ZONE 'UTC' ORDER BY m.begins"#,
        parent.as_str(),
        days,
    )
    .fetch_all(db.durable())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Month {
            parent,
            begins: row.begins,
            low: row.low,
            high: row.high,
            rows: u64::try_from(row.rows).unwrap_or(0),
        })
        .collect())
}

/// The first id of the first month that is kept; without one, the highest there is.
pub(super) async fn kept_from(connection: &mut PgConnection, parent: Parent, days: i32) -> Result<Uuid, DatabaseError> {
    let low = sqlx::query_scalar!(
        r#"SELECT uuid_at(m.begins::timestamp AT TIME ZONE 'UTC') AS "low!"
           FROM (SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS begins FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = to_regclass($1) AND c.relname ~ '_[0-9]{4}_[0-9]{2}$') m
           WHERE m.begins + interval '1 month' + $2::int * interval '1 day' >= now() AT TIME ZONE 'UTC' ORDER BY 1 LIMIT 1"#,
        parent.as_str(),
        days,
    );
    Ok(low.fetch_optional(connection).await?.unwrap_or(Uuid::max()))
}

/// Makes the next two months' partitions where they are missing. A month of which something stands in the default partition gets
/// none, nor does the one that is on: while a partition is made, nothing can be written there. They go row by row. Returns how many were made.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn make_months(db: &Database) -> Result<u32, DatabaseError> {
    let today =
        sqlx::query_scalar!(r#"SELECT (now() AT TIME ZONE 'UTC')::date AS "today!""#).fetch_one(db.fast()).await?;
    let first = today.with_day(1).unwrap_or(today);
    let mut made = 0;
    for &parent in Parent::ALL {
        free(db, parent, first).await?;
        for begins in (1..=AHEAD).filter_map(|n| first.checked_add_months(Months::new(n))) {
            made += u32::from(make(db, parent, begins).await?);
        }
    }
    Ok(made)
}

/// Lifts the rule that a making which came to no end has left, now that its month is on.
async fn free(db: &Database, parent: Parent, begins: NaiveDate) -> Result<(), DatabaseError> {
    let freed = sqlx::query_scalar!(r#"SELECT make_partition($1, $2, $3) AS "done!""#, parent.as_str(), begins, 0_i32)
        .fetch_one(db.durable())
        .await;
    match freed.map_err(DatabaseError::from) {
        Err(error) if !error.is_lock_timeout() => Err(error),
        _ => Ok(()),
    }
}

async fn make(db: &Database, parent: Parent, begins: NaiveDate) -> Result<bool, DatabaseError> {
    let found = sqlx::query!(
        r#"SELECT to_regclass($1 || to_char($2::date, '_YYYY_MM')) IS NOT NULL AS "is_there!",
             CASE $1 WHEN 'pipeline_events' THEN EXISTS (SELECT 1 FROM pipeline_events WHERE id >= m.low AND id < m.high)
               ELSE EXISTS (SELECT 1 FROM provider_calls WHERE id >= m.low AND id < m.high) END AS "is_begun!"
           FROM (SELECT uuid_at($2::date::timestamp AT TIME ZONE 'UTC') AS low,
                   uuid_at(($2::date + interval '1 month') AT TIME ZONE 'UTC') AS high) m"#,
        parent.as_str(),
        begins,
    )
    .fetch_one(db.fast())
    .await?;
    if found.is_there || found.is_begun {
        return Ok(false);
    }
    let mut made = false;
    for step in 1..=3 {
        let done =
            sqlx::query_scalar!(r#"SELECT make_partition($1, $2, $3) AS "done!""#, parent.as_str(), begins, step)
                .fetch_one(db.durable())
                .await;
        match done.map_err(DatabaseError::from) {
            Ok(done) => made = done && step == 3,
            Err(error) if error.is_lock_timeout() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}
