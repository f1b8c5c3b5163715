//! One version's text, as a model is shown it to write it anew.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::types::Json;

use crate::content::kept::texts;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::ScriptVersionId;

/// The words of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptText {
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
}

/// A version's words.
///
/// # Errors
/// If the database can't be read.
pub async fn version_text(tx: &mut OrgTx<'_>, id: ScriptVersionId) -> Result<Option<ScriptText>, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        r#"SELECT content, key_talking_points AS "key_talking_points: Json<Value>",
             objection_handlers AS "objection_handlers: Json<Value>", discovery_questions AS "discovery_questions: Json<Value>",
             closing_techniques AS "closing_techniques: Json<Value>"
           FROM sales_scripts WHERE org_id = $1 AND id = $2"#,
        org,
        id.uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| ScriptText {
        content: row.content,
        key_talking_points: texts(&row.key_talking_points.0),
        objection_handlers: handlers(&row.objection_handlers.0),
        discovery_questions: texts(&row.discovery_questions.0),
        closing_techniques: texts(&row.closing_techniques.0),
    }))
}

fn handlers(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(objection, answer)| Some((objection.clone(), answer.as_str()?.to_owned()))).collect()
}
