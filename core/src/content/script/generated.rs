//! What a run wrote: the first version of a new script, or the next of one that is there.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{ScriptType, lock};
use crate::content::generated::Generation;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, ProductId, ScriptId, ScriptVersionId, SessionId, UserId};

/// A script as a run wrote it.
#[derive(Debug, Clone)]
pub struct GeneratedScript {
    /// The version, derived from its run: written once, however often the run persists.
    pub version_id: ScriptVersionId,
    /// The script, as the run reserved it.
    pub script_id: ScriptId,
    /// What it is called, if it is new.
    pub name: String,
    /// What it is for, if it is new.
    pub description: Option<String>,
    /// What kind of script.
    pub script_type: ScriptType,
    /// The words to say.
    pub content: String,
    /// What must be said.
    pub key_talking_points: Vec<String>,
    /// What to answer, by objection.
    pub objection_handlers: BTreeMap<String, String>,
    /// What to ask.
    pub discovery_questions: Vec<String>,
    /// How to ask for the decision.
    pub closing_techniques: Vec<String>,
    /// How it came about.
    pub generation: Generation,
}

/// Writes a version and makes it the latest. The lineage is locked, so that an edit at the same time gets a number of its
/// own; a version that is there already stays as it is.
///
/// # Errors
/// If the database refuses.
pub async fn write_generated(tx: &mut OrgTx<'_>, script: &GeneratedScript) -> Result<(), DatabaseError> {
    let Some(before) = lock(tx, script.script_id).await? else { return insert(tx, script, None).await };
    let org = tx.org().uuid();
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM sales_scripts WHERE org_id = $1 AND id = $2) AS "there!""#,
        org,
        script.version_id.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    if is_there {
        return Ok(());
    }
    sqlx::query!("UPDATE sales_scripts SET is_latest = false WHERE org_id = $1 AND id = $2", org, before.uuid())
        .execute(tx.connection())
        .await?;
    insert(tx, script, Some(before.uuid())).await
}

async fn insert(tx: &mut OrgTx<'_>, script: &GeneratedScript, before: Option<Uuid>) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    let made = &script.generation;
    sqlx::query!(
        "INSERT INTO sales_scripts (id, script_id, org_id, version, revision, parent_script_id, product_id, client_id, name, description,
           script_type, content, key_talking_points, objection_handlers, discovery_questions, closing_techniques, origin, run_id,
           generated_by_session_id, generation_prompt, provider, model_id, prompt_version, cost_cents, product_digest, client_digest,
           company_digest, warnings, is_active, created_by, created_at)
         SELECT $1, $2, $3, coalesce(b.version, 0) + 1, coalesce(b.revision, 0) + 1, b.id, $5, $6, coalesce(b.name, $7),
           coalesce(b.description, $8), $9, $10, $11, $12, $13, $14, 'generated', $15, $16, $17, left($18, 50), left($19, 100), $20,
           (SELECT r.total_cost_cents FROM pipeline_runs r WHERE r.id = $15), $21, $22, $23, $24, coalesce(b.is_active, true),
           coalesce(b.created_by, $25), coalesce(b.created_at, clock_timestamp())
         FROM (SELECT 1) AS one LEFT JOIN sales_scripts b ON b.org_id = $3 AND b.id = $4",
        script.version_id.uuid(),
        script.script_id.uuid(),
        org,
        before,
        made.product_id.map(ProductId::uuid),
        made.client_id.map(ClientId::uuid),
        script.name,
        script.description,
        script.script_type.as_str(),
        script.content,
        serde_json::to_value(&script.key_talking_points)?,
        serde_json::to_value(&script.objection_handlers)?,
        serde_json::to_value(&script.discovery_questions)?,
        serde_json::to_value(&script.closing_techniques)?,
        made.run_id.uuid(),
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
    Ok(())
}
