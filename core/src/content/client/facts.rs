//! A client as a text is written for it: what is known, and the digest of it.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Client, texts};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::ClientId;

/// A client, and the digest by which it is known later whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFacts {
    /// The client.
    pub client: Client,
    /// The row's `facts_digest`.
    pub digest: String,
}

/// Clients by id, be they active or not; those that are there, in any order.
///
/// # Errors
/// If the database can't be read.
pub async fn facts(tx: &mut OrgTx<'_>, ids: &[ClientId]) -> Result<Vec<ClientFacts>, DatabaseError> {
    let org = tx.org().uuid();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT id AS "id: ClientId", external_id, name, company, title, industry, email, pain_points AS "pain_points: Json<Value>",
             goals AS "goals: Json<Value>", objection_patterns AS "objection_patterns: Json<Value>", communication_style,
             decision_criteria AS "decision_criteria: Json<Value>", facts_digest
           FROM clients WHERE id = ANY ($1) AND org_id = $2"#,
        &ids,
        org
    )
    .fetch_all(tx.connection())
    .await?;
    let facts = rows.into_iter().map(|row| ClientFacts {
        client: Client {
            id: row.id,
            external_id: row.external_id,
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
        },
        digest: row.facts_digest,
    });
    Ok(facts.collect())
}
