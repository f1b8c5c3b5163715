//! One version's text, as a model is shown it to write it anew.

use serde_json::Value;
use sqlx::types::Json;

use crate::content::kept::texts;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::EmailVersionId;

/// The words of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailText {
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What the reader is asked to do.
    pub call_to_action: Option<String>,
    /// The merge fields that it holds.
    pub personalization_fields: Vec<String>,
}

/// A version's words.
///
/// # Errors
/// If the database can't be read.
pub async fn version_text(tx: &mut OrgTx<'_>, id: EmailVersionId) -> Result<Option<EmailText>, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        r#"SELECT subject, body, call_to_action, personalization_fields AS "personalization_fields: Json<Value>"
           FROM sales_emails WHERE org_id = $1 AND id = $2"#,
        org,
        id.uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| EmailText {
        subject: row.subject,
        body: row.body,
        call_to_action: row.call_to_action,
        personalization_fields: texts(&row.personalization_fields.0),
    }))
}
