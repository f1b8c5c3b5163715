//! Migrations: run by one process at a time (a lock of the migrator's), and nothing when there is nothing to do.

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::error::DatabaseError;

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Migrations that were applied before.
    pub before: usize,
    /// Migrations that are applied now.
    pub now: usize,
}

/// Brings the schema up to date. Takes the URL of a login that owns the database, on a direct connection.
///
/// # Errors
/// If the server can't be reached, or a migration fails (it is then rolled back).
pub async fn run(url: &str) -> Result<Migrated, DatabaseError> {
    let options: PgConnectOptions = url.parse()?;
    let mut connection = PgConnection::connect_with(&options.application_name("hellosales migrate")).await?;
    let before = applied(&mut connection).await?;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    let now = applied(&mut connection).await?;
    connection.close().await?;
    Ok(Migrated { before, now })
}

/// Looks what is applied, and changes nothing.
///
/// # Errors
/// If the server can't be reached.
pub async fn status(url: &str) -> Result<Migrated, DatabaseError> {
    let options: PgConnectOptions = url.parse()?;
    let mut connection = PgConnection::connect_with(&options.application_name("hellosales migrate")).await?;
    let now = applied(&mut connection).await?;
    connection.close().await?;
    Ok(Migrated { before: now, now })
}

async fn applied(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    let known = sqlx::query_scalar!("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS \"known!\"")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(0);
    }
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(connection).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// How many migrations this program knows.
#[must_use]
pub fn known() -> usize {
    MIGRATOR.iter().count()
}
