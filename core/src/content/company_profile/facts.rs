//! An organisation as a text is written in its name: its profile, and the digest of it.

use super::{CompanyProfile, find};
use crate::database::OrgTx;
use crate::error::DatabaseError;

/// A profile, and the digest by which it is known later whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanyFacts {
    /// The profile.
    pub profile: CompanyProfile,
    /// The row's `facts_digest`.
    pub digest: String,
}

/// The organisation's profile with its digest. A change between the two reads leaves the older digest: then a text counts
/// as stale, never as fresh.
///
/// # Errors
/// If the database can't be read.
pub async fn facts(tx: &mut OrgTx<'_>) -> Result<Option<CompanyFacts>, DatabaseError> {
    let org = tx.org().uuid();
    let digest = sqlx::query_scalar!("SELECT facts_digest FROM company_profiles WHERE org_id = $1", org)
        .fetch_optional(tx.connection())
        .await?;
    let Some(digest) = digest else { return Ok(None) };
    Ok(find(tx).await?.map(|profile| CompanyFacts { profile, digest }))
}
