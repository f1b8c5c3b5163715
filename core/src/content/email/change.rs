//! Emails written by people: new ones, and changes. A change of the words makes a version; a change of the labels doesn't.

use uuid::Uuid;

use super::{Email, EmailText, EmailType};
use crate::content::written::{LabelChange, Labels, WrittenError, json, still_true};
use crate::database::OrgTx;
use crate::id::{ClientId, EmailId, EmailVersionId, ProductId, UserId};

impl EmailText {
    fn whole(&self) -> String {
        [&self.subject, &self.body, self.call_to_action.as_deref().unwrap_or_default()].join("\n")
    }
}

/// An email to be, written by a person.
#[derive(Debug, Clone)]
pub struct NewEmail {
    /// Its id, chosen by the caller: an idempotency key refers to it before it is there.
    pub id: EmailId,
    /// What it is labelled with.
    pub labels: Labels,
    /// What kind of email.
    pub email_type: EmailType,
    /// Its words.
    pub text: EmailText,
    /// Who wrote it.
    pub created_by: UserId,
}

/// What may be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct EmailChange {
    /// Of the labels.
    pub labels: LabelChange,
    /// What kind of email.
    pub email_type: Option<EmailType>,
    /// The subject line.
    pub subject: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// What the reader is asked to do.
    pub call_to_action: Option<Option<String>>,
    /// The merge fields that it holds.
    pub personalization_fields: Option<Vec<String>>,
}

impl EmailChange {
    fn on(&self, before: EmailText) -> EmailText {
        EmailText {
            subject: self.subject.clone().unwrap_or(before.subject),
            body: self.body.clone().unwrap_or(before.body),
            call_to_action: self.call_to_action.clone().unwrap_or(before.call_to_action),
            personalization_fields: self.personalization_fields.clone().unwrap_or(before.personalization_fields),
        }
    }
}

/// Writes an email's first version.
///
/// # Errors
/// If product or client aren't the organisation's, or the database fails.
pub async fn create(tx: &mut OrgTx<'_>, new: &NewEmail) -> Result<(), WrittenError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO sales_emails (id, email_id, org_id, product_id, client_id, name, description, email_type, subject, body,
           call_to_action, personalization_fields, origin, is_active, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'manual', $13, $14)",
        EmailVersionId::new().uuid(),
        new.id.uuid(),
        org,
        new.labels.product_id.map(ProductId::uuid),
        new.labels.client_id.map(ClientId::uuid),
        new.labels.name,
        new.labels.description,
        new.email_type.as_str(),
        new.text.subject,
        new.text.body,
        new.text.call_to_action,
        json(&new.text.personalization_fields)?,
        new.labels.is_active,
        new.created_by.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Changes an email whose lineage is locked; `current` is its latest version, read under the lock. What is as it was writes
/// nothing.
///
/// # Errors
/// If product or client aren't the organisation's, or the database fails.
pub async fn change(tx: &mut OrgTx<'_>, current: &Email, change: &EmailChange) -> Result<(), WrittenError> {
    let (labels, text) = (change.labels.on(current.labels()), change.on(current.text()));
    let kind: &str = match change.email_type {
        Some(kind) => kind.as_str(),
        None => &current.email_type,
    };
    if text != current.text() {
        add_version(tx, current, (&labels, kind), &text).await
    } else if labels != current.labels() || kind != current.email_type {
        relabel(tx, current.version_id, &labels, kind).await
    } else {
        Ok(())
    }
}

async fn relabel(tx: &mut OrgTx<'_>, latest: EmailVersionId, labels: &Labels, kind: &str) -> Result<(), WrittenError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE sales_emails SET name = $3, description = $4, product_id = $5, client_id = $6, email_type = $7, is_active = $8,
           revision = revision + 1, updated_at = clock_timestamp()
         WHERE org_id = $1 AND id = $2 AND is_latest",
        org,
        latest.uuid(),
        labels.name,
        labels.description,
        labels.product_id.map(ProductId::uuid),
        labels.client_id.map(ClientId::uuid),
        kind,
        labels.is_active,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A version of these words. What a run wrote stays the run's: its cost, its model, and what it was written from.
async fn add_version(
    tx: &mut OrgTx<'_>,
    before: &Email,
    (labels, kind): (&Labels, &str),
    text: &EmailText,
) -> Result<(), WrittenError> {
    let org = tx.org().uuid();
    let latest: Uuid = before.version_id.uuid();
    sqlx::query!("UPDATE sales_emails SET is_latest = false WHERE org_id = $1 AND id = $2", org, latest)
        .execute(tx.connection())
        .await?;
    let warnings = still_true(&before.warnings, &before.text().whole(), &text.whole());
    sqlx::query!(
        "INSERT INTO sales_emails (id, email_id, org_id, version, revision, parent_email_id, product_id, client_id, name, description,
           email_type, subject, body, call_to_action, personalization_fields, origin, run_id, batch_id, batch_n, generated_by_session_id,
           generation_prompt, provider, model_id, prompt_version, cost_cents, product_digest, client_digest, company_digest, warnings,
           is_active, created_by, created_at)
         SELECT $3, b.email_id, b.org_id, b.version + 1, b.revision + 1, b.id, $4, $5, $6, $7, $8, $9, $10, $11, $12,
           CASE b.origin WHEN 'manual' THEN 'manual' ELSE 'edited' END, b.run_id, b.batch_id, b.batch_n, b.generated_by_session_id,
           b.generation_prompt, b.provider, b.model_id, b.prompt_version, b.cost_cents, b.product_digest, b.client_digest,
           b.company_digest, $13, $14, b.created_by, b.created_at
         FROM sales_emails b WHERE b.org_id = $1 AND b.id = $2",
        org,
        latest,
        EmailVersionId::new().uuid(),
        labels.product_id.map(ProductId::uuid),
        labels.client_id.map(ClientId::uuid),
        labels.name,
        labels.description,
        kind,
        text.subject,
        text.body,
        text.call_to_action,
        json(&text.personalization_fields)?,
        json(&warnings)?,
        labels.is_active,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
