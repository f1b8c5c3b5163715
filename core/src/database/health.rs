//! What a database must be before it is trusted with runs.

use std::time::Duration;

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
    let server = sqlx::query!(
        r#"SELECT current_setting('server_version_num')::int / 10000 AS "version!",
                  current_setting('max_connections')::bigint AS "max_connections!",
                  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "connections!""#
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    let migrated = migrate::status(url).await?;
    Ok(Health {
        version: server.version,
        unsafe_settings,
        migrations_applied: migrated.applied,
        migrations_known: migrate::known(),
        missing_roles,
        open_tables,
        connections: server.connections,
        max_connections: server.max_connections,
    })
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
