//! Whom an organisation sells to.

mod address;
mod facts;
mod list;

pub use address::{is_domain, is_email_address};
pub use list::{Filter, count, list};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use super::kept::{Kept, texts};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, SessionId};

pub use facts::{ClientFacts, facts};

/// A client, as prompts tell it. What is unknown is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The organisation's own id for it, of its CRM; no prompt needs it.
    pub external_id: Option<String>,
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

/// Why a client could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Another client of the organisation has the external id.
    #[error("another client has this external id")]
    ExternalIdTaken,
    /// The database failed.
    #[error(transparent)]
    Database(DatabaseError),
}

impl From<DatabaseError> for ClientError {
    fn from(error: DatabaseError) -> Self {
        match error.constraint() {
            Some("clients_external_id") => Self::ExternalIdTaken,
            _ => Self::Database(error),
        }
    }
}

struct Row {
    id: ClientId,
    external_id: Option<String>,
    name: String,
    company: Option<String>,
    title: Option<String>,
    industry: Option<String>,
    email: Option<String>,
    pain_points: Json<Value>,
    goals: Json<Value>,
    objection_patterns: Json<Value>,
    communication_style: Option<String>,
    decision_criteria: Json<Value>,
    is_active: bool,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Kept<Client> {
    fn from(row: Row) -> Self {
        let content = Client {
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
        };
        let (created_at, updated_at) = (row.created_at, row.updated_at);
        Self { content, is_active: row.is_active, version: row.version, created_at, updated_at }
    }
}

/// One statement's columns, for one client and for a page of them.
macro_rules! select {
    ([$($tail:tt)+], $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id AS "id: ClientId", external_id, name, company, title, industry, email,
                 pain_points AS "pain_points: Json<Value>", goals AS "goals: Json<Value>",
                 objection_patterns AS "objection_patterns: Json<Value>", communication_style,
                 decision_criteria AS "decision_criteria: Json<Value>", is_active, version, created_at, updated_at
               FROM clients WHERE org_id = $1 "#
                + $($tail)+,
            $($argument),+
        )
    };
}
use select;

/// A client, whether it is shown or was put away.
///
/// # Errors
/// If the database can't be read.
pub async fn get(tx: &mut OrgTx<'_>, id: ClientId) -> Result<Option<Kept<Client>>, DatabaseError> {
    let query = select!(["AND id = $2"], tx.org().uuid(), id.uuid());
    Ok(query.fetch_optional(tx.connection()).await?.map(Kept::from))
}

/// The same, and its lock.
///
/// # Errors
/// If the database can't be read, or the lock isn't to be had in time.
pub async fn lock(tx: &mut OrgTx<'_>, id: ClientId) -> Result<Option<Kept<Client>>, DatabaseError> {
    let query = select!(["AND id = $2 FOR NO KEY UPDATE"], tx.org().uuid(), id.uuid());
    Ok(query.fetch_optional(tx.connection()).await?.map(Kept::from))
}

/// The client that a session is about.
///
/// # Errors
/// If the database can't be read.
pub async fn of_session(tx: &mut OrgTx<'_>, session: SessionId) -> Result<Option<Client>, DatabaseError> {
    let query = select!(
        ["AND id = (SELECT client_id FROM sessions WHERE id = $2 AND org_id = $1)"],
        tx.org().uuid(),
        session.uuid()
    );
    Ok(query.fetch_optional(tx.connection()).await?.map(|row| Kept::from(row).content))
}

/// Writes a client unless its id is there; tells whether it did.
///
/// # Errors
/// If the database refuses.
pub async fn insert(tx: &mut OrgTx<'_>, client: &Client) -> Result<bool, DatabaseError> {
    write(tx, client, true).await
}

/// Writes a new client, shown or put away.
///
/// # Errors
/// [`ClientError::ExternalIdTaken`], or if the database refuses.
pub async fn create(tx: &mut OrgTx<'_>, client: &Client, is_active: bool) -> Result<(), ClientError> {
    write(tx, client, is_active).await?;
    Ok(())
}

async fn write(tx: &mut OrgTx<'_>, client: &Client, is_active: bool) -> Result<bool, DatabaseError> {
    let org = tx.org().uuid();
    let done = sqlx::query!(
        "INSERT INTO clients (id, org_id, external_id, name, company, title, industry, email, pain_points, goals,
           objection_patterns, communication_style, decision_criteria, is_active, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, t, t FROM clock_timestamp() t
         ON CONFLICT (id) DO NOTHING",
        client.id.uuid(),
        org,
        client.external_id,
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
        is_active,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes what a locked client is from now on: its next version.
///
/// # Errors
/// [`ClientError::ExternalIdTaken`], or if the database refuses.
pub async fn save(tx: &mut OrgTx<'_>, client: &Client, is_active: bool) -> Result<(), ClientError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE clients SET external_id = $3, name = $4, company = $5, title = $6, industry = $7, email = $8,
           pain_points = $9, goals = $10, objection_patterns = $11, communication_style = $12, decision_criteria = $13,
           is_active = $14, version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1 AND org_id = $2",
        client.id.uuid(),
        org,
        client.external_id,
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
        is_active,
    )
    .execute(tx.connection())
    .await
    .map_err(DatabaseError::from)?;
    Ok(())
}
