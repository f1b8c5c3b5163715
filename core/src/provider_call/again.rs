//! Calls whose opening got no answer: it may have landed.

use std::collections::HashSet;

use uuid::Uuid;

use super::NewCall;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::ProviderCallId;

/// Which of these calls are open: their ids are new with each, so an opening that landed is theirs.
///
/// # Errors
/// If the database can't be read.
pub async fn landed(db: &Database, calls: &[&NewCall]) -> Result<HashSet<ProviderCallId>, DatabaseError> {
    let ids: Vec<Uuid> = calls.iter().map(|call| call.id.uuid()).collect();
    let found = sqlx::query_scalar!(
        r#"SELECT id AS "id: ProviderCallId" FROM provider_calls WHERE id = ANY ($1) AND completed_at IS NULL"#,
        &ids
    );
    Ok(found.fetch_all(db.durable()).await?.into_iter().collect())
}
