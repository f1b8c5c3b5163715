//! Emails of a batch to people of one company: what is compared when a round ends, and the warnings that come of it.

use serde_json::json;
use uuid::Uuid;

use crate::content::generated::Warning;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, EmailVersionId};

/// Where somebody works to whom a batch has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The item's place.
    pub n: i32,
    /// The company, as it is written there.
    pub company: String,
}

/// An email of a batch, in its latest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The item's place.
    pub n: i32,
    /// The version.
    pub version_id: EmailVersionId,
    /// To whom.
    pub client_id: ClientId,
    /// What they are called.
    pub client_name: String,
    /// Where they work, as it is written there.
    pub company: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// A page of the completed items whose clients work somewhere, in the order of the list, after a place.
///
/// # Errors
/// If the database can't be read.
pub async fn placed(
    tx: &mut OrgTx<'_>,
    batch: BatchId,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<Placed>, DatabaseError> {
    let org = tx.org().uuid();
    let placed = sqlx::query_as!(
        Placed,
        r#"SELECT i.n, c.company AS "company!" FROM batch_items i
           CROSS JOIN LATERAL (SELECT company FROM clients WHERE id = i.client_id AND org_id = i.org_id OFFSET 0) c
           WHERE i.org_id = $1 AND i.batch_id = $2 AND i.n > $3 AND i.status = 'completed' AND c.company <> '' ORDER BY i.n LIMIT $4"#,
        org,
        batch.uuid(),
        after.unwrap_or(-1),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(placed)
}

/// The emails of these items, in the order of the list; none of one that is not completed, or whose email nobody wants any more.
///
/// # Errors
/// If the database can't be read.
pub async fn neighbours(tx: &mut OrgTx<'_>, batch: BatchId, ns: &[i32]) -> Result<Vec<Neighbour>, DatabaseError> {
    let org = tx.org().uuid();
    let found = sqlx::query_as!(
        Neighbour,
        r#"SELECT i.n, e.id AS "version_id: EmailVersionId", i.client_id AS "client_id: ClientId", c.name AS client_name,
             coalesce(c.company, '') AS "company!", e.subject, e.body
           FROM batch_items i
           CROSS JOIN LATERAL (SELECT name, company FROM clients WHERE id = i.client_id AND org_id = i.org_id OFFSET 0) c
           CROSS JOIN LATERAL (SELECT id, subject, body FROM sales_emails s WHERE s.batch_id = i.batch_id AND s.batch_n = i.n AND s.is_latest
             AND s.is_active AND s.org_id = i.org_id LIMIT 1) e
           WHERE i.org_id = $1 AND i.batch_id = $2 AND i.n = ANY ($3) AND i.status = 'completed' ORDER BY i.n"#,
        org,
        batch.uuid(),
        ns,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(found)
}

/// Adds a warning to each of these emails, as long as that is their latest version, it has none of the kind and fewer than
/// `most`; and tells their items. Returns how many were warned.
///
/// # Errors
/// If the database refuses.
pub async fn warn(
    tx: &mut OrgTx<'_>,
    batch: BatchId,
    warnings: &[(EmailVersionId, Warning)],
    most: i32,
) -> Result<u64, DatabaseError> {
    let org = tx.org().uuid();
    let versions: Vec<Uuid> = warnings.iter().map(|(version, _)| version.uuid()).collect();
    let codes: Vec<_> = warnings.iter().map(|(_, warning)| json!([{"code": warning.code}])).collect();
    let added: Vec<_> = warnings.iter().map(|(_, warning)| json!([warning])).collect();
    let told = sqlx::query!(
        "WITH e AS (
           UPDATE sales_emails t SET warnings = t.warnings || v.added, revision = t.revision + 1
           FROM unnest($3::uuid[], $4::jsonb[], $5::jsonb[]) AS v(id, code, added)
           WHERE t.org_id = $1 AND t.id = ANY ($3) AND t.id = v.id AND t.batch_id = $2 AND t.is_latest AND NOT t.warnings @> v.code
             AND jsonb_array_length(t.warnings) < $6::int
           RETURNING t.batch_n, jsonb_array_length(t.warnings) AS count)
         UPDATE batch_items i SET warnings = e.count FROM e
         WHERE i.org_id = $1 AND i.batch_id = $2 AND i.n = e.batch_n AND i.status = 'completed'",
        org,
        batch.uuid(),
        &versions,
        &codes,
        &added,
        most,
    )
    .execute(tx.connection())
    .await?;
    Ok(told.rows_affected())
}
