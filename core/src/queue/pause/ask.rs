//! Asked for: an operator pauses a lane, a pipeline or an organisation, perhaps for a time, and resumes it. Each is written down.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use super::free;
use crate::audit::{self, Entry};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::OrgId;
use crate::pipeline;
use crate::queue::Wakes;
use crate::run::Lane;

/// So many groups of held steps are freed by whoever resumes; the janitor frees the rest.
const GROUPS: u32 = 400;

/// What is to stand still. A batch has a way of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A lane.
    Lane(Lane),
    /// A pipeline, all its versions.
    Pipeline(String),
    /// An organisation.
    Org(OrgId),
}

impl Scope {
    fn word(&self) -> &'static str {
        match self {
            Self::Lane(_) => "lane",
            Self::Pipeline(_) => "pipeline",
            Self::Org(_) => "org",
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Lane(lane) => lane.as_str().to_owned(),
            Self::Pipeline(name) => name.clone(),
            Self::Org(org) => org.to_string(),
        }
    }

    const fn org(&self) -> Option<OrgId> {
        match self {
            Self::Org(org) => Some(*org),
            Self::Lane(_) | Self::Pipeline(_) => None,
        }
    }
}

/// Who asks, and why.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `operator:<name>`.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// A pause, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the columns of pauses, by their names")]
pub struct Pause {
    pub scope: String,
    pub key: String,
    pub actor: String,
    pub reason: String,
    pub created_at: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It is paused, or resumed, from now on; the pause that began or ended.
    Now(Pause),
    /// It was paused before, by this.
    Paused(Pause),
    /// It was not paused.
    NotPaused,
    /// There is no such pipeline or organisation.
    Unknown,
}

/// Pauses, for so many milliseconds or until it is resumed. One that is paused stays as it is: two operators don't undo each
/// other unseen.
///
/// # Errors
/// If the database refuses or can't be reached: then nothing is paused, or the answer was lost and asking again tells.
pub async fn pause(db: &Database, scope: &Scope, asked: Asked<'_>, for_ms: Option<i64>) -> Result<Done, DatabaseError> {
    let mut tx = db.begin().await?;
    let known = match scope {
        Scope::Lane(_) => true,
        Scope::Pipeline(name) => pipeline::ALL.iter().any(|pipeline| pipeline.name == *name),
        Scope::Org(org) => {
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM organizations WHERE id = $1) AS "known!""#, org.uuid())
                .fetch_one(tx.connection())
                .await?
        }
    };
    if !known {
        return Ok(Done::Unknown);
    }
    let begun = sqlx::query_as!(
        Pause,
        "INSERT INTO pauses AS p (scope, key, org_id, actor, reason, until)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::bigint * interval '1 ms')
         ON CONFLICT (scope, key) DO UPDATE SET actor = excluded.actor, reason = excluded.reason, until = excluded.until,
           created_at = excluded.created_at WHERE p.until <= now()
         RETURNING scope, key, actor, reason, created_at, until",
        scope.word(),
        scope.key(),
        scope.org().map(OrgId::uuid),
        asked.actor,
        asked.reason,
        for_ms,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(begun) = begun else {
        let before = find(&mut tx, scope).await?;
        return Ok(before.map_or(Done::NotPaused, Done::Paused));
    };
    let details = json!({"until": begun.until});
    tell(&mut tx, scope, asked, "pause", details).await?;
    tx.commit().await?;
    Ok(Done::Now(begun))
}

/// Resumes what is paused, and frees what it held. After it, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn resume(db: &Database, scope: &Scope, asked: Asked<'_>) -> Result<(Done, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    let mut tx = db.begin().await?;
    let ended = sqlx::query_as!(
        Pause,
        "DELETE FROM pauses WHERE scope = $1 AND key = $2 RETURNING scope, key, actor, reason, created_at, until",
        scope.word(),
        scope.key(),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(ended) = ended else { return Ok((Done::NotPaused, wakes)) };
    let details = json!({"paused_by": ended.actor, "paused_at": ended.created_at, "until": ended.until});
    tell(&mut tx, scope, asked, "resume", details).await?;
    tx.commit().await?;
    let mut from = None;
    for _ in 0..GROUPS {
        match free(db, from).await {
            Ok(freed) => {
                wakes.merge(freed.wakes);
                from = freed.next;
            }
            // It is resumed; the janitor frees what this did not.
            Err(error) => {
                tracing::warn!(scope = scope.word(), %error, "what was held is left to the janitor");
                break;
            }
        }
        if from.is_none() {
            break;
        }
    }
    Ok((Done::Now(ended), wakes))
}

/// What stands still now, batches too, the newest first.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn list(db: &Database, limit: i64) -> Result<Vec<Pause>, DatabaseError> {
    let mut tx = db.begin().await?;
    Ok(sqlx::query_as!(
        Pause,
        "SELECT scope, key, actor, reason, created_at, until FROM pauses WHERE until IS NULL OR until > now()
         ORDER BY created_at DESC, scope, key LIMIT $1",
        limit
    )
    .fetch_all(tx.connection())
    .await?)
}

async fn find(tx: &mut Tx, scope: &Scope) -> Result<Option<Pause>, DatabaseError> {
    Ok(sqlx::query_as!(
        Pause,
        "SELECT scope, key, actor, reason, created_at, until FROM pauses WHERE scope = $1 AND key = $2",
        scope.word(),
        scope.key(),
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// Written in the transaction that does it.
async fn tell(
    tx: &mut Tx,
    scope: &Scope,
    asked: Asked<'_>,
    what: &str,
    details: serde_json::Value,
) -> Result<(), DatabaseError> {
    let entry = Entry {
        org_id: scope.org(),
        actor: asked.actor,
        action: &format!("{}.{what}", scope.word()),
        target_type: scope.word(),
        target_id: &scope.key(),
        reason: Some(asked.reason),
        details,
    };
    audit::record(tx.connection(), &entry).await
}
