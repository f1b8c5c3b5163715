//! Where a run stands that somebody put back, and whether anybody is there to work on it. For operators.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{OrgId, RunId};

/// How a life of a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Live(String),
    /// It ended so.
    Ended(String),
    /// The run was pruned.
    Gone,
}

/// How this life of a run stands. One that lives another by now failed in it.
///
/// # Errors
/// If the database fails.
pub async fn run(db: &Database, run: RunId, generation: i32) -> Result<Standing, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT status, generation, completed_at IS NOT NULL AS "has_ended!" FROM pipeline_runs WHERE id = $1"#,
        run.uuid()
    )
    .fetch_optional(db.fast())
    .await?;
    Ok(match row {
        None => Standing::Gone,
        Some(row) if row.generation > generation => Standing::Ended("failed".to_owned()),
        Some(row) if row.has_ended => Standing::Ended(row.status),
        Some(row) => Standing::Live(row.status),
    })
}

/// How many workers are alive.
///
/// # Errors
/// If the database fails.
pub async fn workers(db: &Database) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "alive!" FROM workers WHERE lease_until > now()"#)
        .fetch_one(db.fast())
        .await?)
}

/// Whose a run is.
///
/// # Errors
/// If the database fails.
pub async fn organization(db: &Database, run: RunId) -> Result<Option<OrgId>, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"SELECT org_id AS "org: OrgId" FROM pipeline_runs WHERE id = $1"#, run.uuid())
        .fetch_optional(db.fast())
        .await?)
}
