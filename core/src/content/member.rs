//! The members of an organisation, as the organisation sees them.

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::UserId;

/// Who asks, and for which organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person's name, if the token gave one.
    pub display_name: Option<String>,
    /// The organisation's name.
    pub org_name: String,
}

/// A member by user.
///
/// # Errors
/// If the database can't be read.
pub async fn find(tx: &mut OrgTx<'_>, user: UserId) -> Result<Option<Member>, DatabaseError> {
    let org = tx.org().uuid();
    let member = sqlx::query_as!(
        Member,
        r#"SELECT display_name, org_name AS "org_name!" FROM org_members WHERE org_id = $1 AND user_id = $2"#,
        org,
        user.uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(member)
}

/// The organisation's name, whoever asks; `None` if nobody has signed in to it yet.
///
/// # Errors
/// If the database can't be read.
pub async fn org_name(tx: &mut OrgTx<'_>) -> Result<Option<String>, DatabaseError> {
    let org = tx.org().uuid();
    let name = sqlx::query_scalar!(r#"SELECT org_name AS "org_name!" FROM org_members WHERE org_id = $1 LIMIT 1"#, org)
        .fetch_optional(tx.connection())
        .await?;
    Ok(name)
}
