//! Migrations: run by one process at a time, and nothing when there is nothing to do.
//!
//! A program works on a schema that is newer than it: a release only adds (expand), what nothing reads any more goes with a later
//! one (contract). On one that is older it refuses to start.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Serialize;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::sleep;

use crate::error::DatabaseError;

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("../migrations");
    // Those that a newer program applied are none of this one's business.
    migrator.set_ignore_missing(true);
    migrator
});

/// Ours, besides the library's. Whoever waits for the library's lock holds a snapshot meanwhile, and an index that is built
/// concurrently by its holder would wait for that for ever.
const LOCK: i64 = 0x4853_4d49_4752_4154;
/// Between two looks whether another process has finished.
const LOOK: Duration = Duration::from_millis(200);

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Migrations of this program that were applied before.
    pub before: usize,
    /// And that are applied now.
    pub now: usize,
}

/// A migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Its number: when it was written.
    pub version: i64,
    /// What it does.
    pub description: String,
}

/// How the schema stands to this program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How many of this program's migrations are applied.
    pub applied: usize,
    /// Those that are missing: the program does not start without them.
    pub pending: Vec<Migration>,
    /// Applied, and unknown to this program: a newer one's. It works on it.
    pub newer: Vec<Migration>,
    /// Applied, and since then changed in the program, or the other way round: nothing can be said of the schema.
    pub changed: Vec<Migration>,
    /// Begun without a transaction, and not finished.
    pub unfinished: Vec<Migration>,
    /// Indexes that were begun and not finished: they cost and serve nobody.
    pub invalid_indexes: Vec<String>,
}

impl Status {
    /// Whether there is nothing to do and nothing to repair.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.pending.is_empty() && self.is_whole()
    }

    /// Whether what is applied is what this program means.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.changed.is_empty() && self.unfinished.is_empty() && self.invalid_indexes.is_empty()
    }
}

/// Brings the schema up to date. Takes the URL of a login that owns the database, on a direct connection.
///
/// # Errors
/// If the server can't be reached, or a migration fails (it is then rolled back).
pub async fn run(url: &str) -> Result<Migrated, DatabaseError> {
    run_within(url, None).await
}

/// The same, giving up when a statement waits for a lock for so long: whoever comes behind it in the queue for that lock would
/// wait as well.
///
/// # Errors
/// As [`run`]; of a lock that was not to be had, [`DatabaseError::is_lock_timeout`].
pub async fn run_within(url: &str, lock_timeout: Option<Duration>) -> Result<Migrated, DatabaseError> {
    let mut connection = connect(url).await?;
    while !sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "got!""#, LOCK).fetch_one(&mut connection).await? {
        sleep(LOOK).await;
    }
    let before = look(&mut connection).await?.applied;
    let ms = lock_timeout.map_or(0, |timeout| timeout.as_millis());
    sqlx::query!("SELECT set_config('lock_timeout', $1, false)", ms.to_string()).fetch_one(&mut connection).await?;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    let now = look(&mut connection).await?.applied;
    connection.close().await?;
    Ok(Migrated { before, now })
}

/// Looks how the schema stands, and changes nothing.
///
/// # Errors
/// If the server can't be reached.
pub async fn status(url: &str) -> Result<Status, DatabaseError> {
    let mut connection = connect(url).await?;
    let status = look(&mut connection).await?;
    connection.close().await?;
    Ok(status)
}

async fn connect(url: &str) -> Result<PgConnection, DatabaseError> {
    let options: PgConnectOptions = url.parse()?;
    Ok(PgConnection::connect_with(&options.application_name("hellosales migrate")).await?)
}

async fn look(connection: &mut PgConnection) -> Result<Status, DatabaseError> {
    let mut status = Status::default();
    let mut applied = applied(&mut *connection).await?;
    for known in MIGRATOR.iter() {
        let migration = Migration { version: known.version, description: known.description.to_string() };
        match applied.remove(&known.version) {
            None => status.pending.push(migration),
            Some(row) if !row.success => status.unfinished.push(migration),
            Some(row) => {
                status.applied += 1;
                if row.checksum != *known.checksum {
                    status.changed.push(migration);
                }
            }
        }
    }
    status.newer =
        applied.into_iter().map(|(version, row)| Migration { version, description: row.description }).collect();
    status.invalid_indexes = sqlx::query_scalar!(
        r#"SELECT c.relname::text AS "name!" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           WHERE NOT i.indisvalid AND c.relnamespace = 'public'::regnamespace ORDER BY 1"#
    )
    .fetch_all(connection)
    .await?;
    Ok(status)
}

struct Applied {
    description: String,
    success: bool,
    checksum: Vec<u8>,
}

async fn applied(connection: &mut PgConnection) -> Result<BTreeMap<i64, Applied>, DatabaseError> {
    let known = sqlx::query_scalar!("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS \"known!\"")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(BTreeMap::new());
    }
    // Not checked: the migrator makes this table, not a migration.
    let rows: Vec<(i64, String, bool, Vec<u8>)> =
        sqlx::query_as("SELECT version, description, success, checksum FROM _sqlx_migrations")
            .fetch_all(connection)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(version, description, success, checksum)| (version, Applied { description, success, checksum }))
        .collect())
}

/// How many migrations this program knows.
#[must_use]
pub fn known() -> usize {
    MIGRATOR.iter().count()
}
