//! Sessions: conversations. A session is its owner's within the organisation.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value};

use super::listing::{Slice, Sort};
use super::search::Search;
use super::{COUNT_LIMIT, Total, Viewer};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, ProductId, RunId, SessionId, UserId};

/// The most characters of a title.
pub const MAX_TITLE_CHARS: usize = 255;

const TITLE_FROM_MESSAGE_CHARS: usize = 80;

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub title: Option<String>,
    /// `active` or `ended`.
    pub state: String,
    /// `chat`.
    pub session_type: String,
    /// What it is about.
    pub product_id: Option<ProductId>,
    /// Whom it is about.
    pub client_id: Option<ClientId>,
    /// Rows in its history, replaced ones included.
    pub interaction_count: i32,
    /// The sum over its runs, made when it is read. There is no column for it: the ledger adds the cost of a call
    /// to the call's run, in a transaction that takes no session's lock; a total here would be a row that every
    /// call of every turn waits for, or a count that drifts.
    pub total_cost_cents: Decimal,
    /// The run whose turn it is.
    pub active_run_id: Option<RunId>,
    /// Where that run stands.
    pub active_run_status: Option<String>,
    /// The client's own.
    pub metadata: Value,
    /// When it was made.
    pub started_at: DateTime<Utc>,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// When something was last said.
    pub last_interaction_at: Option<DateTime<Utc>>,
    /// When its row was made: what lists are ordered by.
    pub created_at: DateTime<Utc>,
}

/// A session to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, chosen by the caller: an idempotency key refers to it before it is there.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub title: Option<String>,
    /// What it is about.
    pub product_id: Option<ProductId>,
    /// Whom it is about.
    pub client_id: Option<ClientId>,
    /// The client's own.
    pub metadata: Map<String, Value>,
}

/// What may be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct SessionChange {
    /// What it is called.
    pub title: Option<Option<String>>,
    /// What it is about.
    pub product_id: Option<Option<ProductId>>,
    /// Whom it is about.
    pub client_id: Option<Option<ClientId>>,
    /// The client's own, replaced whole.
    pub metadata: Option<Map<String, Value>>,
}

/// Why a session could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The organisation has no such product.
    #[error("no such product")]
    ProductNotFound,
    /// The organisation has no such client.
    #[error("no such client")]
    ClientNotFound,
    /// One of its runs has not ended.
    #[error("a run of the session has not ended")]
    RunLive,
    /// The database failed.
    #[error(transparent)]
    Database(DatabaseError),
}

impl From<DatabaseError> for SessionError {
    fn from(error: DatabaseError) -> Self {
        match error.constraint() {
            Some("sessions_org_id_product_id_fkey") => Self::ProductNotFound,
            Some("sessions_org_id_client_id_fkey") => Self::ClientNotFound,
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::Error> for SessionError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

/// Which of a person's sessions; `None` doesn't ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Where they stand.
    pub state: Option<&'static str>,
    /// Whose title, or something said in them, has words that begin with these.
    pub search: Option<Search>,
}

/// One statement's columns, for one session and for a page of them.
macro_rules! select {
    ([$($tail:tt)+], $($argument:expr),+) => {
        sqlx::query_as!(
            Session,
            r#"SELECT s.id AS "id: SessionId", s.user_id AS "user_id: UserId", s.title, s.state, s.session_type,
                 s.product_id AS "product_id: ProductId", s.client_id AS "client_id: ClientId", s.interaction_count,
                 (SELECT coalesce(sum(c.total_cost_cents), 0) FROM pipeline_runs c WHERE c.session_id = s.id) AS "total_cost_cents!",
                 s.active_run_id AS "active_run_id: RunId", r.status AS "active_run_status?", s.metadata, s.started_at, s.ended_at,
                 s.last_interaction_at, s.created_at
               FROM sessions s LEFT JOIN pipeline_runs r ON r.id = s.active_run_id "#
                + $($tail)+,
            $($argument),+
        )
    };
}

/// Makes a session.
///
/// # Errors
/// If product or client aren't the organisation's, or the database fails.
pub async fn create(tx: &mut OrgTx<'_>, new: &NewSession) -> Result<(), SessionError> {
    sqlx::query!(
        "INSERT INTO sessions (id, org_id, user_id, title, product_id, client_id, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.id.uuid(),
        tx.org().uuid(),
        new.user_id.uuid(),
        new.title,
        new.product_id.map(ProductId::uuid),
        new.client_id.map(ClientId::uuid),
        Value::Object(new.metadata.clone()),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Reads a session, if this viewer may see it.
///
/// # Errors
/// If the database fails.
pub async fn get(tx: &mut OrgTx<'_>, id: SessionId, viewer: Viewer) -> Result<Option<Session>, DatabaseError> {
    let org = tx.org().uuid();
    let query = select!(
        ["WHERE s.id = $1 AND s.org_id = $2 AND ($4 OR s.user_id = $3)"],
        id.uuid(),
        org,
        viewer.user_id.uuid(),
        viewer.sees_all
    );
    Ok(query.fetch_optional(tx.connection()).await?)
}

/// Takes a session's lock, if this viewer may see it; whether it is there.
///
/// # Errors
/// If the database fails.
pub async fn lock(tx: &mut OrgTx<'_>, id: SessionId, viewer: Viewer) -> Result<bool, DatabaseError> {
    let row = sqlx::query!(
        "SELECT id FROM sessions WHERE id = $1 AND org_id = $2 AND ($4 OR user_id = $3) FOR NO KEY UPDATE",
        id.uuid(),
        tx.org().uuid(),
        viewer.user_id.uuid(),
        viewer.sees_all,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.is_some())
}

/// A page of a person's own sessions, in an order by time; there is none by name.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut OrgTx<'_>,
    owner: UserId,
    filter: &Filter,
    slice: &Slice,
) -> Result<Vec<Session>, DatabaseError> {
    macro_rules! page {
        ($tail:tt) => {
            select!(
                ["WHERE s.user_id = $1 AND s.org_id = $2 AND ($3::text IS NULL OR s.state = $3)
               AND ($4::text IS NULL OR s.words @@ to_tsquery('simple', nullif($4, '')) OR EXISTS (
                 SELECT 1 FROM interactions i WHERE i.org_id = s.org_id AND i.session_id = s.id AND i.superseded_by IS NULL
                   AND i.words @@ to_tsquery('simple', nullif($4, '')))) " + $tail],
                owner.uuid(),
                tx.org().uuid(),
                filter.state,
                filter.search.as_ref().map(Search::as_str),
                slice.time_bound(),
                slice.id_bound(),
                slice.limit
            )
            .fetch_all(tx.connection())
            .await?
        };
    }
    Ok(if slice.sort == Sort::Oldest {
        page!(
            "AND (s.created_at, s.id) > ($5, $6)
             ORDER BY s.created_at, s.id LIMIT $7"
        )
    } else {
        page!(
            "AND (s.created_at, s.id) < ($5, $6)
             ORDER BY s.created_at DESC, s.id DESC LIMIT $7"
        )
    })
}

/// How many sessions [`list`] would give in all.
///
/// # Errors
/// If the database fails.
pub async fn count(tx: &mut OrgTx<'_>, owner: UserId, filter: &Filter) -> Result<Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM sessions s WHERE s.user_id = $1 AND s.org_id = $2
             AND ($3::text IS NULL OR s.state = $3)
             AND ($4::text IS NULL OR s.words @@ to_tsquery('simple', nullif($4, '')) OR EXISTS (
               SELECT 1 FROM interactions i WHERE i.org_id = s.org_id AND i.session_id = s.id AND i.superseded_by IS NULL
                 AND i.words @@ to_tsquery('simple', nullif($4, '')))) LIMIT $5) counted"#,
        owner.uuid(),
        tx.org().uuid(),
        filter.state,
        filter.search.as_ref().map(Search::as_str),
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}

/// Changes a locked session.
///
/// # Errors
/// If product or client aren't the organisation's, or the database fails.
pub async fn change(tx: &mut OrgTx<'_>, id: SessionId, change: &SessionChange) -> Result<(), SessionError> {
    sqlx::query!(
        "UPDATE sessions SET title = CASE WHEN $3 THEN $4 ELSE title END, product_id = CASE WHEN $5 THEN $6 ELSE product_id END,
           client_id = CASE WHEN $7 THEN $8 ELSE client_id END, metadata = coalesce($9, metadata), updated_at = clock_timestamp()
         WHERE id = $1 AND org_id = $2",
        id.uuid(),
        tx.org().uuid(),
        change.title.is_some(),
        change.title.clone().flatten(),
        change.product_id.is_some(),
        change.product_id.flatten().map(ProductId::uuid),
        change.client_id.is_some(),
        change.client_id.flatten().map(ClientId::uuid),
        change.metadata.clone().map(Value::Object),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Gives a locked session that has no title one from its first message.
///
/// # Errors
/// If the database fails.
pub async fn title_from(tx: &mut OrgTx<'_>, id: SessionId, message: &str) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE sessions SET title = $3 WHERE id = $1 AND org_id = $2 AND title IS NULL AND turns <= 1",
        id.uuid(),
        tx.org().uuid(),
        title_of(message),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends a locked session: new turns are refused, accepted ones finish. Twice is as good as once.
///
/// # Errors
/// If the database fails.
pub async fn end(tx: &mut OrgTx<'_>, id: SessionId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE sessions SET state = 'ended', ended_at = clock_timestamp(), updated_at = clock_timestamp(),
           duration_ms = extract(epoch FROM clock_timestamp() - started_at) * 1000
         WHERE id = $1 AND org_id = $2 AND state = 'active'",
        id.uuid(),
        tx.org().uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Deletes a locked session, with what was said in it. Its runs stay, for the ledger's sake.
///
/// # Errors
/// [`SessionError::RunLive`] while one of its runs, a summary's included, has not ended: that run would
/// write into a session that isn't there.
pub async fn delete(tx: &mut OrgTx<'_>, id: SessionId) -> Result<(), SessionError> {
    let deleted = sqlx::query!(
        "DELETE FROM sessions s WHERE s.id = $1 AND s.org_id = $2 AND s.active_run_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.session_id = s.id AND r.status IN ('queued', 'running'))",
        id.uuid(),
        tx.org().uuid(),
    )
    .execute(tx.connection())
    .await?;
    if deleted.rows_affected() == 0 { Err(SessionError::RunLive) } else { Ok(()) }
}

/// The summary run of a session that has not ended, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn pending_summary(tx: &mut OrgTx<'_>, id: SessionId) -> Result<Option<RunId>, DatabaseError> {
    let run = sqlx::query_scalar!(
        r#"SELECT pending_run_id AS "run: RunId" FROM summary_states WHERE session_id = $1 AND org_id = $2"#,
        id.uuid(),
        tx.org().uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(run.flatten())
}

fn title_of(message: &str) -> String {
    let line = message
        .split_whitespace()
        .fold(String::new(), |line, word| if line.is_empty() { word.to_owned() } else { line + " " + word });
    let mut title: String = line.chars().take(TITLE_FROM_MESSAGE_CHARS).collect();
    if title.len() < line.len() {
        title.pop();
        title.push('…');
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_message_on_one_line_cut_at_a_character() {
        assert_eq!(title_of("  Hello\n  there "), "Hello there");
        let long = title_of(&"ä".repeat(100));
        assert_eq!(long.chars().count(), 80);
        assert!(long.ends_with('…'));
        assert_eq!(title_of(&"ä".repeat(80)), "ä".repeat(80));
    }
}
