//! What a run wrote: the first version of a new email, or the next of one that is there.

use uuid::Uuid;

use super::{EmailType, lock};
use crate::content::generated::Generation;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, EmailId, EmailVersionId, ProductId, SessionId, UserId};

/// An email as a run wrote it.
#[derive(Debug, Clone)]
pub struct GeneratedEmail {
    /// The version, derived from its run: written once, however often the run persists.
    pub version_id: EmailVersionId,
    /// The email, as the run reserved it.
    pub email_id: EmailId,
    /// What it is called, if it is new.
    pub name: String,
    /// What it is for, if it is new.
    pub description: Option<String>,
    /// What kind of email.
    pub email_type: EmailType,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What the reader is asked to do.
    pub call_to_action: Option<String>,
    /// The merge fields that it holds.
    pub personalization_fields: Vec<String>,
    /// The batch that it is part of, and its item's place there.
    pub batch: Option<(BatchId, i32)>,
    /// How it came about.
    pub generation: Generation,
}

/// Writes a version and makes it the latest. The lineage is locked, so that an edit at the same time gets a number of its
/// own; a version that is there already stays as it is.
///
/// # Errors
/// If the database refuses.
pub async fn write_generated(tx: &mut OrgTx<'_>, email: &GeneratedEmail) -> Result<(), DatabaseError> {
    // One of a batch is new, but for a run that was driven again: one message, since there are thousands.
    if email.batch.is_some() && insert(tx, email, None).await? {
        return Ok(());
    }
    let Some(before) = lock(tx, email.email_id).await? else { return insert(tx, email, None).await.map(drop) };
    let org = tx.org().uuid();
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM sales_emails WHERE org_id = $1 AND id = $2) AS "there!""#,
        org,
        email.version_id.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    if is_there {
        return Ok(());
    }
    sqlx::query!("UPDATE sales_emails SET is_latest = false WHERE org_id = $1 AND id = $2", org, before.uuid())
        .execute(tx.connection())
        .await?;
    insert(tx, email, Some(before.uuid())).await.map(drop)
}

/// Inserts a version after another one; without one before it only if the email is new. Whether it did.
async fn insert(tx: &mut OrgTx<'_>, email: &GeneratedEmail, before: Option<Uuid>) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let made = &email.generation;
    let inserted = sqlx::query!(
        "INSERT INTO sales_emails (id, email_id, org_id, version, revision, parent_email_id, product_id, client_id, name, description,
           email_type, subject, body, call_to_action, personalization_fields, origin, run_id, batch_id, batch_n, generated_by_session_id,
           generation_prompt, provider, model_id, prompt_version, cost_cents, product_digest, client_digest, company_digest, warnings,
           is_active, created_by, created_at)
         SELECT $1, $2, $3, coalesce(b.version, 0) + 1, coalesce(b.revision, 0) + 1, b.id, $5, $6, coalesce(b.name, $7),
           coalesce(b.description, $8), $9, $10, $11, $12, $13, 'generated', $14, coalesce(b.batch_id, $15), coalesce(b.batch_n, $16), $17, $18, left($19, 50), left($20, 100), $21,
           (SELECT r.total_cost_cents FROM pipeline_runs r WHERE r.id = $14), $22, $23, $24, $25, coalesce(b.is_active, true),
           coalesce(b.created_by, $26), coalesce(b.created_at, clock_timestamp())
         FROM (SELECT 1) AS one LEFT JOIN sales_emails b ON b.org_id = $3 AND b.id = $4
         WHERE $4::uuid IS NOT NULL OR NOT EXISTS (SELECT 1 FROM sales_emails x WHERE x.org_id = $3 AND x.email_id = $2)",
        email.version_id.uuid(),
        email.email_id.uuid(),
        org,
        before,
        made.product_id.map(ProductId::uuid),
        made.client_id.map(ClientId::uuid),
        email.name,
        email.description,
        email.email_type.as_str(),
        email.subject,
        email.body,
        email.call_to_action,
        serde_json::to_value(&email.personalization_fields)?,
        made.run_id.uuid(),
        email.batch.map(|(batch, _)| batch.uuid()),
        email.batch.map(|(_, n)| n),
        made.session_id.map(SessionId::uuid),
        made.instructions,
        made.provider,
        made.model,
        made.prompt_version,
        made.sources.product_digest,
        made.sources.client_digest,
        made.sources.company_digest,
        serde_json::to_value(&made.warnings)?,
        made.created_by.map(UserId::uuid),
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}
