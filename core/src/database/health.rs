//! What a database must be before it is trusted with runs.

use std::time::Duration;

use chrono::Utc;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::database::{Database, migrate};
use crate::error::DatabaseError;

/// The oldest PostgreSQL that the schema runs on.
pub const OLDEST_VERSION: i32 = 15;

const ROLES: [&str; 4] = ["hellosales_api", "hellosales_worker", "hellosales_fanout", "hellosales_operator"];
const LISTEN_WITHIN: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug, Clone)]
pub struct Health {
    /// The server's major version.
    pub version: i32,
    /// Settings that must be on, and are off.
    pub unsafe_settings: Vec<String>,
    /// Migrations that are applied.
    pub migrations_applied: usize,
    /// Migrations that this program knows.
    pub migrations_known: usize,
    /// Roles that are missing, or that the login may not take.
    pub missing_roles: Vec<String>,
    /// Tables of organisations without forced row-level security.
    pub open_tables: Vec<String>,
    /// Connections in use.
    pub connections: i64,
    /// The most connections.
    pub max_connections: i64,
    /// `autovacuum` and what it needs, of those the ones that are off.
    pub vacuum_off: Vec<String>,
    /// Sessions that have been idle in a transaction for longer than the pools allow.
    pub idle_in_transaction: i64,
    /// How old the oldest snapshot is that keeps dead rows from being cleared away.
    pub oldest_snapshot_s: i64,
    /// How far this machine's clock is ahead of the database's.
    pub clock_skew_ms: i64,
}

/// What the server carries right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Connections in use.
    pub connections: i64,
    /// The most connections.
    pub max_connections: i64,
    /// How old the oldest snapshot is that keeps dead rows from being cleared away.
    pub oldest_snapshot_s: i64,
    /// Migrations that this program knows and that are not applied.
    pub migrations_missing: usize,
}

/// Looks at what the server carries, with the login's own eyes: a role sees of other sessions only that they are there.
///
/// # Errors
/// If the server can't be reached.
pub async fn load(url: &str) -> Result<Load, DatabaseError> {
    let mut connection = plain(url).await?;
    let (connections, max_connections) = connections(&mut connection).await?;
    let oldest_snapshot_s = oldest_snapshot(&mut connection).await?;
    connection.close().await?;
    let migrations_missing = migrate::status(url).await?.pending.len();
    Ok(Load { connections, max_connections, oldest_snapshot_s, migrations_missing })
}

/// The settings without which a commit may be forgotten, of those the ones that are off.
///
/// # Errors
/// If the server can't be reached.
pub async fn unsafe_settings(url: &str) -> Result<Vec<String>, DatabaseError> {
    let mut connection = plain(url).await?;
    let off = off(&mut connection).await?;
    connection.close().await?;
    Ok(off)
}

/// Looks at everything that can be seen from a login.
///
/// # Errors
/// If the server can't be reached.
pub async fn look(url: &str) -> Result<Health, DatabaseError> {
    let mut connection = plain(url).await?;
    let unsafe_settings = off(&mut connection).await?;
    let roles: Vec<String> = ROLES.map(str::to_owned).to_vec();
    let missing_roles = sqlx::query_scalar!(
        r#"SELECT wanted AS "wanted!" FROM unnest($1::text[]) AS wanted
           WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted AND pg_has_role(current_user, oid, 'MEMBER')
                             AND NOT rolsuper AND NOT rolbypassrls)"#,
        &roles
    )
    .fetch_all(&mut connection)
    .await?;
    let open_tables = sqlx::query_scalar!(
        r#"SELECT c.relname::text AS "name!" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
             AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)
           ORDER BY 1"#
    )
    .fetch_all(&mut connection)
    .await?;
    let version = sqlx::query_scalar!(r#"SELECT current_setting('server_version_num')::int / 10000 AS "version!""#)
        .fetch_one(&mut connection)
        .await?;
    let (connections, max_connections) = connections(&mut connection).await?;
    let vacuum_off = vacuum_off(&mut connection).await?;
    let idle_in_transaction = idle_in_transaction(&mut connection).await?;
    let oldest_snapshot_s = oldest_snapshot(&mut connection).await?;
    let clock_skew_ms = clock_skew(&mut connection).await?;
    connection.close().await?;
    let migrated = migrate::status(url).await?;
    Ok(Health {
        version,
        unsafe_settings,
        migrations_applied: migrated.applied,
        migrations_known: migrate::known(),
        missing_roles,
        open_tables,
        connections,
        max_connections,
        vacuum_off,
        idle_in_transaction,
        oldest_snapshot_s,
        clock_skew_ms,
    })
}

async fn connections(connection: &mut PgConnection) -> Result<(i64, i64), DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT current_setting('max_connections')::bigint AS "most!",
                  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "now!""#
    )
    .fetch_one(connection)
    .await?;
    Ok((row.now, row.most))
}

async fn vacuum_off(connection: &mut PgConnection) -> Result<Vec<String>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT name AS "name!" FROM pg_settings WHERE name IN ('autovacuum', 'track_counts') AND setting = 'off' ORDER BY 1"#
    )
    .fetch_all(connection)
    .await?)
}

async fn idle_in_transaction(connection: &mut PgConnection) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM pg_stat_activity
           WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '15 seconds' AND datname = current_database()"#
    )
    .fetch_one(connection)
    .await?)
}

/// Of sessions, of replicas' slots, and of prepared transactions.
async fn oldest_snapshot(connection: &mut PgConnection) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(greatest(
             (SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity
              WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
                AND backend_type NOT LIKE 'autovacuum%'),
             (SELECT max(extract(epoch FROM clock_timestamp() - prepared)) FROM pg_prepared_xacts)), 0)::bigint AS "seconds!""#
    )
    .fetch_one(connection)
    .await?)
}

/// The answer's time against the middle of asking and hearing.
#[expect(clippy::disallowed_methods, reason = "it is this clock that is doubted")]
async fn clock_skew(connection: &mut PgConnection) -> Result<i64, DatabaseError> {
    let before = Utc::now();
    let there = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(connection).await?;
    let after = Utc::now();
    let middle = before + (after - before) / 2;
    Ok((middle - there).num_milliseconds())
}

/// Whether a notification arrives: behind a transaction pooler it doesn't.
///
/// # Errors
/// If the server can't be reached.
pub async fn listen_works(database: &Database) -> Result<bool, DatabaseError> {
    let channel = format!("hs_doctor_{}", std::process::id());
    let mut listener = database.listener().await?;
    listener.listen(&channel).await?;
    sqlx::query!("SELECT pg_notify($1, '')", channel).fetch_one(database.fast()).await?;
    Ok(matches!(tokio::time::timeout(LISTEN_WITHIN, listener.recv()).await, Ok(Ok(_))))
}

/// A connection with the login's own settings: our pools set some of those that are looked at.
async fn plain(url: &str) -> Result<PgConnection, DatabaseError> {
    let options: PgConnectOptions = url.parse()?;
    Ok(PgConnection::connect_with(&options.application_name("hellosales doctor")).await?)
}

async fn off(connection: &mut PgConnection) -> Result<Vec<String>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT name AS "name!" FROM pg_settings
           WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY 1"#
    )
    .fetch_all(connection)
    .await?)
}
