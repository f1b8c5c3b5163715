//! What was written lately to other people of a company.

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, EmailId};

/// Not more than so many are looked at.
const LIMIT: i64 = 50;

/// An email to somebody of the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailToCompany {
    /// The email.
    pub email_id: EmailId,
    /// To whom.
    pub client_id: ClientId,
    /// What they are called.
    pub client_name: String,
    /// Where they work, as it is written there.
    pub company: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// The latest emails to other clients of a company, the newest first; `spellings` are its name's, in lower case.
///
/// # Errors
/// If the database can't be read.
pub async fn latest_to_company(
    tx: &mut OrgTx<'_>,
    spellings: &[String],
    besides: ClientId,
) -> Result<Vec<EmailToCompany>, DatabaseError> {
    let org = tx.org().uuid();
    let emails = sqlx::query_as!(
        EmailToCompany,
        r#"SELECT e.email_id AS "email_id: EmailId", c.id AS "client_id: ClientId", c.name AS client_name, c.company AS "company!", e.subject, e.body
           FROM clients c JOIN sales_emails e ON e.org_id = c.org_id AND e.client_id = c.id
           WHERE c.org_id = $1 AND lower(c.company) = ANY ($2) AND c.company IS NOT NULL AND c.id <> $3
             AND e.is_latest AND e.is_active
           ORDER BY e.created_at DESC, e.id DESC LIMIT $4"#,
        org,
        spellings,
        besides.uuid(),
        LIMIT
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(emails)
}
