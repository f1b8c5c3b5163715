//! The rows of a file on its way in.

use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::database::{Database, OrgTx};
use crate::error::DatabaseError;
use crate::id::{ClientId, ImportId};

/// What a row says of a client. What it leaves empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cells {
    /// The organisation's own id of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The person's name.
    pub name: String,
    /// Where the person works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// As what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The company's trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub industry: Option<String>,
    /// Where to write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What hurts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pain_points: Option<Vec<String>>,
    /// What is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goals: Option<Vec<String>>,
    /// What is said against buying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objection_patterns: Option<Vec<String>>,
    /// How to speak with the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub communication_style: Option<String>,
    /// What decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_criteria: Option<Vec<String>>,
}

/// A row without a fault.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its place in the file, from 0.
    pub n: i32,
    /// The place of the first row that tells of the same client.
    pub person: i32,
    /// What it says.
    pub cells: Cells,
}

/// Has rows wait. Done twice it is done once: an answer that was lost is no loss.
///
/// # Errors
/// If the database fails.
pub async fn stage(tx: &mut OrgTx<'_>, import: ImportId, rows: &[Row]) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    let places: Vec<i32> = rows.iter().map(|row| row.n).collect();
    let persons: Vec<i32> = rows.iter().map(|row| row.person).collect();
    let clients: Vec<Uuid> = rows.iter().map(|_| ClientId::new().uuid()).collect();
    let cells: Vec<Json<&Cells>> = rows.iter().map(|row| Json(&row.cells)).collect();
    sqlx::query!(
        "INSERT INTO client_import_rows (org_id, import_id, n, person, client_id, external_id, email_key, person_key, cells)
         SELECT $1, $2, n, person, client_id, cells ->> 'external_id', lower(cells ->> 'email'),
           md5(lower(cells ->> 'name') || E'\\x1f' || lower(coalesce(cells ->> 'company', '')))::uuid, cells
         FROM unnest($3::int[], $4::int[], $5::uuid[], $6::jsonb[]) AS v(n, person, client_id, cells)
         ON CONFLICT DO NOTHING",
        org,
        import.uuid(),
        &places,
        &persons,
        &clients,
        &cells as _,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets the waiting rows of a file.
///
/// # Errors
/// If the database fails.
pub async fn discard(tx: &mut OrgTx<'_>, import: ImportId) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!("DELETE FROM client_import_rows WHERE org_id = $1 AND import_id = $2", org, import.uuid())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// How many rows one round of [`prune`] deletes.
const BATCH: i64 = 2_000;

/// Deletes rows whose import began an hour ago: it has ended, and nobody was left to clear up. Returns how many
/// went.
///
/// # Errors
/// If the server can't be reached.
pub async fn prune(db: &Database) -> Result<u64, DatabaseError> {
    // Import ids are UUIDv7: they tell their age.
    let gone = sqlx::query!(
        "DELETE FROM client_import_rows WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM client_import_rows
           WHERE import_id < (lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
           ORDER BY import_id, n LIMIT $1 FOR UPDATE SKIP LOCKED))",
        BATCH
    )
    .execute(db.fast())
    .await?;
    Ok(gone.rows_affected())
}
