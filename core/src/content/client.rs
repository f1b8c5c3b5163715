//! Whom an organisation sells to.

mod facts;

use serde_json::Value;
use sqlx::types::Json;

use super::company_profile::texts;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, SessionId};

pub use facts::{ClientFacts, facts};

/// A client, as prompts tell it. What is unknown is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The person's name.
    pub name: String,
    /// Where the person works.
    pub company: Option<String>,
    /// As what.
    pub title: Option<String>,
    /// The company's trade.
    pub industry: Option<String>,
    /// Where to write to; no prompt needs it.
    pub email: Option<String>,
    /// What hurts.
    pub pain_points: Vec<String>,
    /// What is wanted.
    pub goals: Vec<String>,
    /// What is said against buying.
    pub objection_patterns: Vec<String>,
    /// How to speak with the person.
    pub communication_style: Option<String>,
    /// What decides.
    pub decision_criteria: Vec<String>,
}

/// The client that a session is about.
///
/// # Errors
/// If the database can't be read.
pub async fn of_session(tx: &mut OrgTx<'_>, session: SessionId) -> Result<Option<Client>, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        r#"SELECT c.id AS "id: ClientId", c.name, c.company, c.title, c.industry, c.email,
             c.pain_points AS "pain_points: Json<Value>", c.goals AS "goals: Json<Value>",
             c.objection_patterns AS "objection_patterns: Json<Value>", c.communication_style,
             c.decision_criteria AS "decision_criteria: Json<Value>"
           FROM sessions s JOIN clients c ON c.org_id = s.org_id AND c.id = s.client_id
           WHERE s.id = $1 AND s.org_id = $2"#,
        session.uuid(),
        org
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Client {
        id: row.id,
        name: row.name,
        company: row.company,
        title: row.title,
        industry: row.industry,
        email: row.email,
        pain_points: texts(&row.pain_points.0),
        goals: texts(&row.goals.0),
        objection_patterns: texts(&row.objection_patterns.0),
        communication_style: row.communication_style,
        decision_criteria: texts(&row.decision_criteria.0),
    }))
}

/// Writes a client unless its id is there; tells whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn insert(tx: &mut OrgTx<'_>, client: &Client) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let done = sqlx::query!(
        "INSERT INTO clients (id, org_id, name, company, title, industry, email, pain_points, goals, objection_patterns,
           communication_style, decision_criteria)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (id) DO NOTHING",
        client.id.uuid(),
        org,
        client.name,
        client.company,
        client.title,
        client.industry,
        client.email,
        Json(&client.pain_points) as _,
        Json(&client.goals) as _,
        Json(&client.objection_patterns) as _,
        client.communication_style,
        Json(&client.decision_criteria) as _,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}
