//! Drain: an operator wants a worker empty. It hears of it by its beat, takes nothing more, and says when nothing runs there.

use serde::Serialize;
use serde_json::json;

use super::pause::Asked;
use crate::audit::{self, Entry};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::WorkerId;

/// A worker that is asked to drain, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draining {
    /// Which.
    pub id: WorkerId,
    /// Where it runs.
    pub host: String,
    /// Its process.
    pub pid: i32,
    /// It is gone, or its lease is over: others have what it had.
    pub is_gone: bool,
    /// It has heard of it, and nothing runs there any more.
    pub is_empty: bool,
    /// Steps that run there.
    pub running: i64,
}

/// Asks these workers to drain, or with none named all that live. Returns those that were asked now: who is gone, or was asked
/// before, is not among them.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn drain(
    db: &Database,
    workers: Option<&[WorkerId]>,
    asked: Asked<'_>,
) -> Result<Vec<WorkerId>, DatabaseError> {
    let ids: Option<Vec<uuid::Uuid>> = workers.map(|workers| workers.iter().map(|worker| worker.uuid()).collect());
    let mut tx = db.begin().await?;
    let told = sqlx::query_scalar!(
        r#"UPDATE workers SET draining = true
           WHERE NOT draining AND lease_until > now() AND ($1::uuid[] IS NULL OR id = ANY($1)) RETURNING id AS "id: WorkerId""#,
        ids.as_deref(),
    )
    .fetch_all(tx.connection())
    .await?;
    for worker in &told {
        let entry = Entry {
            org_id: None,
            actor: asked.actor,
            action: "worker.drain",
            target_type: "worker",
            target_id: &worker.to_string(),
            reason: Some(asked.reason),
            details: json!({}),
        };
        audit::record(tx.connection(), &entry).await?;
    }
    tx.commit().await?;
    Ok(told)
}

/// How far these workers are; one whose row is gone is gone.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn progress(db: &Database, workers: &[WorkerId]) -> Result<Vec<Draining>, DatabaseError> {
    let ids: Vec<uuid::Uuid> = workers.iter().map(|worker| worker.uuid()).collect();
    let mut tx = db.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT v.id AS "id!: WorkerId", w.host AS "host?", w.pid AS "pid?", coalesce(w.lease_until < now(), true) AS "is_gone!",
             coalesce(w.draining AND w.drained, false) AS "is_drained!",
             (SELECT count(*) FROM pipeline_steps s WHERE s.worker_id = v.id AND s.status = 'running') AS "running!"
           FROM unnest($1::uuid[]) AS v(id) LEFT JOIN workers w ON w.id = v.id ORDER BY v.id"#,
        &ids,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Draining {
            id: row.id,
            host: row.host.unwrap_or_default(),
            pid: row.pid.unwrap_or_default(),
            is_gone: row.is_gone,
            is_empty: row.is_drained && row.running == 0,
            running: row.running,
        })
        .collect())
}
