//! The lock of an email: whoever writes a version or a label holds it.

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{EmailId, EmailVersionId};

/// Takes the lock, and names the latest version; `None` if there is no such email. The lock is the first version's row, which
/// stays what it is: a lock on the latest would be held by one that no longer is, once it was waited for.
///
/// # Errors
/// If the database fails.
pub async fn lock(tx: &mut OrgTx<'_>, id: EmailId) -> Result<Option<EmailVersionId>, DatabaseError> {
    let org = tx.org().uuid();
    let first = sqlx::query!(
        "SELECT id FROM sales_emails WHERE org_id = $1 AND email_id = $2 AND version = 1 FOR NO KEY UPDATE",
        org,
        id.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    if first.is_none() {
        return Ok(None);
    }
    let latest = sqlx::query_scalar!(
        r#"SELECT id AS "id: EmailVersionId" FROM sales_emails WHERE org_id = $1 AND email_id = $2 AND is_latest"#,
        org,
        id.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(latest)
}
