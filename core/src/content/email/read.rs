//! Emails as they are read: a version, with the labels of its lineage.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::types::Json;

use super::EmailText;
use crate::content::generated::Warning;
use crate::content::written::Labels;
use crate::content::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, EmailId, EmailVersionId, ProductId, RunId, SessionId, UserId};

/// A version of an email.
#[derive(Debug, Clone)]
pub struct Email {
    /// The email's id, whatever its version.
    pub id: EmailId,
    /// The version's number, from 1.
    pub version: i32,
    /// The version's own id.
    pub version_id: EmailVersionId,
    /// The version that it was made from.
    pub parent_version_id: Option<EmailVersionId>,
    /// Whether no version is newer.
    pub is_latest: bool,
    /// Grows with each change of the email: of a version of it, or a label.
    pub revision: i32,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What kind of email.
    pub email_type: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What the reader is asked to do.
    pub call_to_action: Option<String>,
    /// The merge fields that it holds.
    pub personalization_fields: Json<Vec<String>>,
    /// What it sells.
    pub product_id: Option<ProductId>,
    /// Whom it is to.
    pub client_id: Option<ClientId>,
    /// Whether it is in use.
    pub is_active: bool,
    /// `generated`, `edited` or `manual`.
    pub origin: String,
    /// The run that wrote it, or what it was edited from.
    pub run_id: Option<RunId>,
    /// The conversation that asked for it.
    pub session_id: Option<SessionId>,
    /// The batch that it is part of.
    pub batch_id: Option<BatchId>,
    /// What the user asked for.
    pub generation_prompt: Option<String>,
    /// Who answered.
    pub provider: Option<String>,
    /// Which model.
    pub model_id: Option<String>,
    /// The template, with its version.
    pub prompt_version: Option<String>,
    /// What its run cost: by the run, as long as that is kept.
    pub cost_cents: Option<Decimal>,
    /// What it was written from has changed since.
    pub is_stale: bool,
    /// Why it may not be worth sending.
    pub warnings: Json<Vec<Warning>>,
    /// Who made the email.
    pub created_by: Option<UserId>,
    /// When the email was made.
    pub created_at: DateTime<Utc>,
    /// When this version was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Email {
    /// Its lineage's labels.
    #[must_use]
    pub fn labels(&self) -> Labels {
        Labels {
            name: self.name.clone(),
            description: self.description.clone(),
            product_id: self.product_id,
            client_id: self.client_id,
            is_active: self.is_active,
        }
    }

    /// Its words.
    #[must_use]
    pub fn text(&self) -> EmailText {
        EmailText {
            subject: self.subject.clone(),
            body: self.body.clone(),
            call_to_action: self.call_to_action.clone(),
            personalization_fields: self.personalization_fields.0.clone(),
        }
    }
}

/// One statement's columns: `e` is the version, `l` the latest of its lineage.
macro_rules! select {
    (@ [$($where:tt)+], $($argument:expr),+) => {
        sqlx::query_as!(
            Email,
            r#"SELECT e.email_id AS "id: EmailId", e.version, e.id AS "version_id: EmailVersionId",
                 e.parent_email_id AS "parent_version_id: EmailVersionId", e.is_latest, l.revision, l.name, l.description, l.email_type,
                 e.subject, e.body, e.call_to_action, e.personalization_fields AS "personalization_fields: Json<Vec<String>>",
                 l.product_id AS "product_id: ProductId", l.client_id AS "client_id: ClientId", l.is_active, e.origin,
                 e.run_id AS "run_id: RunId", e.generated_by_session_id AS "session_id: SessionId", e.batch_id AS "batch_id: BatchId",
                 e.generation_prompt, e.provider, e.model_id, e.prompt_version, coalesce(r.total_cost_cents, e.cost_cents) AS cost_cents,
                 s.is_stale AS "is_stale!", e.warnings AS "warnings: Json<Vec<Warning>>", e.created_by AS "created_by: UserId",
                 e.created_at, e.updated_at
               FROM sales_emails e
               JOIN sales_emails l ON l.email_id = e.email_id AND l.org_id = e.org_id AND l.is_latest
               LEFT JOIN pipeline_runs r ON r.id = e.run_id
               LEFT JOIN products p ON p.org_id = e.org_id AND p.id = l.product_id
               LEFT JOIN clients c ON c.org_id = e.org_id AND c.id = l.client_id
               LEFT JOIN company_profiles f ON f.org_id = e.org_id
               CROSS JOIN LATERAL (SELECT e.run_id IS NOT NULL AND (
                 l.product_id IS NOT NULL AND p.facts_digest IS DISTINCT FROM e.product_digest OR
                 l.client_id IS NOT NULL AND c.facts_digest IS DISTINCT FROM e.client_digest OR
                 f.facts_digest IS DISTINCT FROM e.company_digest) AS is_stale) s "#
                $(+ $where)+,
            $($argument),+
        )
    };
    ([$($where:tt)+], $($argument:expr),+) => {
        select!(@ [$($where)+], $($argument),+)
    };
}
pub(super) use select;

/// An email, as it is now.
///
/// # Errors
/// If the database fails.
pub async fn get(tx: &mut OrgTx<'_>, id: EmailId) -> Result<Option<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let query = select!(["WHERE e.org_id = $1 AND e.email_id = $2 AND e.is_latest"], org, id.uuid());
    Ok(query.fetch_optional(tx.connection()).await?)
}

/// One version of an email.
///
/// # Errors
/// If the database fails.
pub async fn version(tx: &mut OrgTx<'_>, id: EmailId, version: i32) -> Result<Option<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let query = select!(["WHERE e.org_id = $1 AND e.email_id = $2 AND e.version = $3"], org, id.uuid(), version);
    Ok(query.fetch_optional(tx.connection()).await?)
}

/// A page of an email's versions, the newest first; below a number, if one is given.
///
/// # Errors
/// If the database fails.
pub async fn versions(
    tx: &mut OrgTx<'_>,
    id: EmailId,
    below: Option<i32>,
    limit: i64,
) -> Result<Vec<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let query = select!(
        [
            "WHERE e.org_id = $1 AND e.email_id = $2 AND e.version < coalesce($3, 2147483647) ORDER BY e.version DESC LIMIT $4"
        ],
        org,
        id.uuid(),
        below,
        limit
    );
    Ok(query.fetch_all(tx.connection()).await?)
}

/// How many versions an email has.
///
/// # Errors
/// If the database fails.
pub async fn count_versions(tx: &mut OrgTx<'_>, id: EmailId) -> Result<Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM sales_emails WHERE org_id = $1 AND email_id = $2 LIMIT $3) v"#,
        tx.org().uuid(),
        id.uuid(),
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

/// What these runs wrote, each with the email that it was to write.
///
/// # Errors
/// If the database fails.
pub async fn of_runs(tx: &mut OrgTx<'_>, runs: &[(RunId, EmailId)]) -> Result<Vec<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let (runs, emails): (Vec<_>, Vec<_>) = runs.iter().map(|(run, email)| (run.uuid(), email.uuid())).unzip();
    let query = select!(
        ["WHERE e.org_id = $1 AND e.id = ANY (ARRAY(
            SELECT g.id FROM unnest($2::uuid[], $3::uuid[]) AS v (run_id, email_id)
            JOIN sales_emails g ON g.email_id = v.email_id AND g.run_id = v.run_id AND g.org_id = $1 AND g.origin = 'generated'))"],
        org,
        &runs,
        &emails
    );
    Ok(query.fetch_all(tx.connection()).await?)
}

/// These versions, whichever emails they are of.
///
/// # Errors
/// If the database fails.
pub async fn of_ids(tx: &mut OrgTx<'_>, versions: &[EmailVersionId]) -> Result<Vec<Email>, DatabaseError> {
    let org = tx.org().uuid();
    let versions: Vec<_> = versions.iter().map(|id| id.uuid()).collect();
    let query = select!(["WHERE e.org_id = $1 AND e.id = ANY ($2)"], org, &versions);
    Ok(query.fetch_all(tx.connection()).await?)
}
