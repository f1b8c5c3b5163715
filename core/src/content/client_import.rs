//! Clients by file. Rows wait in a table until all have come; then one statement says who is new, who is known and
//! who has changed, and writes it all, or nothing.

mod rows;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ImportId, UserId};

pub use rows::{Cells, Row, discard, prune, stage};

/// What becomes of a file that has rows with faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The others are kept.
    KeepGood,
    /// Nothing is.
    AllOrNothing,
}

impl Mode {
    /// Its name in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepGood => "keep_good",
            Self::AllOrNothing => "all_or_nothing",
        }
    }
}

/// Why a row was rejected. It doesn't repeat what stood there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFault {
    /// The line of the file where the row begins, from 1.
    pub line: u64,
    /// The column, as the file's head has it.
    pub column: String,
    /// Which rule.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A file whose rows have all come.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The import.
    pub id: ImportId,
    /// What becomes of it if rows have faults.
    pub mode: Mode,
    /// How many rows wait.
    pub rows: i64,
    /// How many were rejected.
    pub rejected: i32,
    /// Why: the first of them.
    pub errors: Vec<RowFault>,
    /// Columns that mean nothing to us.
    pub ignored_columns: Vec<String>,
    /// Who sent it.
    pub created_by: UserId,
}

/// What the rows of a file did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that made a client.
    pub created: i64,
    /// Rows that changed one.
    pub updated: i64,
    /// Rows that said nothing new.
    pub unchanged: i64,
}

/// A file that was applied.
#[derive(Debug, Clone)]
pub struct ClientImport {
    /// Its id.
    pub id: ImportId,
    /// How.
    pub mode: String,
    /// What its rows did.
    pub counts: Counts,
    /// Rows that were rejected.
    pub rejected: i32,
    /// Why: the first of them.
    pub errors: Vec<RowFault>,
    /// Columns that mean nothing to us.
    pub ignored_columns: Vec<String>,
    /// Who sent it.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Why a file could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A crash of the database took some of the waiting rows.
    #[error("rows of the file were lost")]
    RowsLost,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Waits until no other import of the organisation is being applied, and bounds what may take longer here than
/// elsewhere. The plans are made anew: one that was made for a small table looks at all clients for each row.
///
/// # Errors
/// If the turn doesn't come in time, or the database fails.
pub async fn take_turn(tx: &mut OrgTx<'_>) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!("SET LOCAL lock_timeout = '60s'").execute(tx.connection()).await?;
    sqlx::query!("SET LOCAL statement_timeout = '300s'").execute(tx.connection()).await?;
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(tx.connection()).await?;
    sqlx::query!("INSERT INTO client_import_turns (org_id) VALUES ($1) ON CONFLICT DO NOTHING", org)
        .execute(tx.connection())
        .await?;
    sqlx::query!("SELECT org_id FROM client_import_turns WHERE org_id = $1 FOR UPDATE", org)
        .fetch_one(tx.connection())
        .await?;
    Ok(())
}

/// Applies the waiting rows of a file in its turn ([`take_turn`]); with `write` false it only says what they would do.
///
/// # Errors
/// If rows are missing, or the database fails: a client that somebody else makes at the same time with the same
/// `external_id` is a unique violation.
pub async fn apply(tx: &mut OrgTx<'_>, file: &Arrived, write: bool) -> Result<Counts, ApplyError> {
    let org = tx.org().uuid();
    let counts = sqlx::query_file!(
        "src/content/client_import/apply.sql",
        org,
        file.id.uuid(),
        write,
        file.mode.as_str(),
        file.rejected,
        Json(&file.errors) as _,
        Json(&file.ignored_columns) as _,
        file.created_by.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    if counts.rows != file.rows {
        return Err(ApplyError::RowsLost);
    }
    Ok(Counts { created: counts.created, updated: counts.updated, unchanged: counts.unchanged })
}

/// A file that was applied.
///
/// # Errors
/// If the database fails.
pub async fn get(tx: &mut OrgTx<'_>, id: ImportId) -> Result<Option<ClientImport>, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: ImportId", mode, created, updated, unchanged, rejected, errors AS "errors: Json<Vec<RowFault>>",
             ignored_columns AS "ignored_columns: Json<Vec<String>>", created_by AS "created_by: UserId", created_at
           FROM client_imports WHERE id = $1 AND org_id = $2"#,
        id.uuid(),
        tx.org().uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| ClientImport {
        id: row.id,
        mode: row.mode,
        counts: Counts { created: row.created.into(), updated: row.updated.into(), unchanged: row.unchanged.into() },
        rejected: row.rejected,
        errors: row.errors.0,
        ignored_columns: row.ignored_columns.0,
        created_by: row.created_by,
        created_at: row.created_at,
    }))
}
