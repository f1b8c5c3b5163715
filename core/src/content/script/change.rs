//! Scripts written by people: new ones, and changes. A change of the words makes a version; a change of the labels doesn't.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Script, ScriptText, ScriptType};
use crate::content::written::{LabelChange, Labels, WrittenError, json, still_true};
use crate::database::OrgTx;
use crate::id::{ClientId, ProductId, ScriptId, ScriptVersionId, UserId};

impl ScriptText {
    fn whole(&self) -> String {
        let lists = [&self.key_talking_points, &self.discovery_questions, &self.closing_techniques];
        let handlers = self.objection_handlers.iter().flat_map(|(objection, answer)| [objection, answer]);
        let parts = [&self.content].into_iter().chain(lists.into_iter().flatten()).chain(handlers);
        parts.map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// A script to be, written by a person.
#[derive(Debug, Clone)]
pub struct NewScript {
    /// Its id, chosen by the caller: an idempotency key refers to it before it is there.
    pub id: ScriptId,
    /// What it is labelled with.
    pub labels: Labels,
    /// What kind of script.
    pub script_type: ScriptType,
    /// Its words.
    pub text: ScriptText,
    /// Who wrote it.
    pub created_by: UserId,
}

/// What may be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ScriptChange {
    /// Of the labels.
    pub labels: LabelChange,
    /// What kind of script.
    pub script_type: Option<ScriptType>,
    /// The words to say.
    pub content: Option<String>,
    /// What must be said.
    pub key_talking_points: Option<Vec<String>>,
    /// What to answer, by objection.
    pub objection_handlers: Option<BTreeMap<String, String>>,
    /// What to ask.
    pub discovery_questions: Option<Vec<String>>,
    /// How to ask for the decision.
    pub closing_techniques: Option<Vec<String>>,
}

impl ScriptChange {
    fn on(&self, before: ScriptText) -> ScriptText {
        ScriptText {
            content: self.content.clone().unwrap_or(before.content),
            key_talking_points: self.key_talking_points.clone().unwrap_or(before.key_talking_points),
            objection_handlers: self.objection_handlers.clone().unwrap_or(before.objection_handlers),
            discovery_questions: self.discovery_questions.clone().unwrap_or(before.discovery_questions),
            closing_techniques: self.closing_techniques.clone().unwrap_or(before.closing_techniques),
        }
    }
}

/// Writes a script's first version.
///
/// # Errors
/// If product or client aren't the organisation's, or the database fails.
pub async fn create(tx: &mut OrgTx<'_>, new: &NewScript) -> Result<(), WrittenError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO sales_scripts (id, script_id, org_id, product_id, client_id, name, description, script_type, content,
           key_talking_points, objection_handlers, discovery_questions, closing_techniques, origin, is_active, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'manual', $14, $15)",
        ScriptVersionId::new().uuid(),
        new.id.uuid(),
        org,
        new.labels.product_id.map(ProductId::uuid),
        new.labels.client_id.map(ClientId::uuid),
        new.labels.name,
        new.labels.description,
        new.script_type.as_str(),
        new.text.content,
        json(&new.text.key_talking_points)?,
        json(&new.text.objection_handlers)?,
        json(&new.text.discovery_questions)?,
        json(&new.text.closing_techniques)?,
        new.labels.is_active,
        new.created_by.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Changes a script whose lineage is locked; `current` is its latest version, read under the lock. What is as it was writes
/// nothing.
///
/// # Errors
/// If product or client aren't the organisation's, or the database fails.
pub async fn change(tx: &mut OrgTx<'_>, current: &Script, change: &ScriptChange) -> Result<(), WrittenError> {
    let (labels, text) = (change.labels.on(current.labels()), change.on(current.text()));
    let kind: &str = match change.script_type {
        Some(kind) => kind.as_str(),
        None => &current.script_type,
    };
    if text != current.text() {
        add_version(tx, current, (&labels, kind), &text).await
    } else if labels != current.labels() || kind != current.script_type {
        relabel(tx, current.version_id, &labels, kind).await
    } else {
        Ok(())
    }
}

async fn relabel(tx: &mut OrgTx<'_>, latest: ScriptVersionId, labels: &Labels, kind: &str) -> Result<(), WrittenError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE sales_scripts SET name = $3, description = $4, product_id = $5, client_id = $6, script_type = $7, is_active = $8,
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
    before: &Script,
    (labels, kind): (&Labels, &str),
    text: &ScriptText,
) -> Result<(), WrittenError> {
    let org = tx.org().uuid();
    let latest: Uuid = before.version_id.uuid();
    sqlx::query!("UPDATE sales_scripts SET is_latest = false WHERE org_id = $1 AND id = $2", org, latest)
        .execute(tx.connection())
        .await?;
    let warnings = still_true(&before.warnings, &before.text().whole(), &text.whole());
    sqlx::query!(
        "INSERT INTO sales_scripts (id, script_id, org_id, version, revision, parent_script_id, product_id, client_id, name, description,
           script_type, content, key_talking_points, objection_handlers, discovery_questions, closing_techniques, origin, run_id,
           generated_by_session_id,
           generation_prompt, provider, model_id, prompt_version, cost_cents, product_digest, client_digest, company_digest, warnings,
           is_active, created_by, created_at)
         SELECT $3, b.script_id, b.org_id, b.version + 1, b.revision + 1, b.id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
           CASE b.origin WHEN 'manual' THEN 'manual' ELSE 'edited' END, b.run_id, b.generated_by_session_id,
           b.generation_prompt, b.provider, b.model_id, b.prompt_version, b.cost_cents, b.product_digest, b.client_digest,
           b.company_digest, $14, $15, b.created_by, b.created_at
         FROM sales_scripts b WHERE b.org_id = $1 AND b.id = $2",
        org,
        latest,
        ScriptVersionId::new().uuid(),
        labels.product_id.map(ProductId::uuid),
        labels.client_id.map(ClientId::uuid),
        labels.name,
        labels.description,
        kind,
        text.content,
        json(&text.key_talking_points)?,
        json(&text.objection_handlers)?,
        json(&text.discovery_questions)?,
        json(&text.closing_techniques)?,
        json(&warnings)?,
        labels.is_active,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
