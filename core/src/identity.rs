//! Who calls: a user, an organisation and a membership, made from a token's claims at first sight.

use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, OrgTx};
use crate::error::DatabaseError;
use crate::id::{OrgId, UserId};

/// What a verified token says of its bearer. The caller has bounded every text to 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claims {
    /// Who issued the token, less its address: part of the user's key.
    pub provider: String,
    /// The token's `sub`.
    pub subject: String,
    /// The token's `org_id`.
    pub org: String,
    /// One of the four roles.
    pub role: &'static str,
    /// What the bearer may do, by name.
    pub permissions: Vec<String>,
    /// Where given.
    pub email: Option<String>,
    /// Where given.
    pub name: Option<String>,
    /// Where given.
    pub org_name: Option<String>,
}

/// Who that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person.
    pub user_id: UserId,
    /// The organisation that the token is for.
    pub org_id: OrgId,
    /// The person's address, from this token or an earlier one.
    pub email: Option<String>,
    /// The person's name, from this token or an earlier one.
    pub name: Option<String>,
    /// The organisation's name.
    pub org_name: String,
}

/// Finds, or makes, the three rows of a token's bearer. Durable: what the caller writes next refers to them,
/// and the ids are kept in memory for a while.
///
/// # Errors
/// If the server can't be reached or refuses.
pub async fn sign_in(db: &Database, claims: &Claims) -> Result<Identity, DatabaseError> {
    let permissions = Value::from(claims.permissions.clone());
    let row = sqlx::query!(
        r#"SELECT user_id AS "user_id!: UserId", org_id AS "org_id!: OrgId", email, display_name, org_name AS "org_name!"
           FROM sign_in($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"#,
        claims.provider,
        claims.subject,
        claims.org,
        claims.role,
        permissions,
        claims.email,
        claims.name,
        claims.org_name,
        UserId::new().uuid(),
        OrgId::new().uuid(),
        Uuid::now_v7(),
    )
    .fetch_one(db.durable())
    .await?;
    Ok(Identity {
        user_id: row.user_id,
        org_id: row.org_id,
        email: row.email,
        name: row.display_name,
        org_name: row.org_name,
    })
}

/// Whether a person still belongs to the organisation.
///
/// # Errors
/// If the server can't be reached.
pub async fn is_member(tx: &mut OrgTx<'_>, user: UserId) -> Result<bool, DatabaseError> {
    let found =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM org_members WHERE user_id = $1) AS "found!""#, user.uuid());
    Ok(found.fetch_one(tx.connection()).await?)
}
