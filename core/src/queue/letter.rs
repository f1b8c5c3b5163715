//! Letter: what people decide of a dead letter. Each change is a compare-and-set under its run's lock, and written down. Closing
//! one lets its run's kept steps go: what they had made is kept in the letter, and can't be resumed any more.

use serde_json::json;

use super::{Wakes, settle};
use crate::audit::{self, Entry};
use crate::database::{Database, Tx};
use crate::dead_letter::{LetterStatus, Resolution};
use crate::error::DatabaseError;
use crate::id::{DeadLetterId, OperationId, OrgId, RunId, UserId};
use crate::run::{RunStatus, text_enum};

text_enum! {
    /// What can be done with a letter beside redriving it.
    Decision {
        /// Somebody looks for the cause: nothing is redriven by itself meanwhile.
        Investigate = "investigate",
        /// It is dealt with.
        Resolve = "resolve",
        /// It is left as it is.
        Abandon = "abandon",
        /// It waits again for somebody.
        Reopen = "reopen",
    }
}

impl Decision {
    /// Where the letter stands then.
    #[must_use]
    pub const fn status(self) -> LetterStatus {
        match self {
            Self::Investigate => LetterStatus::Investigating,
            Self::Resolve => LetterStatus::Resolved,
            Self::Abandon => LetterStatus::Abandoned,
            Self::Reopen => LetterStatus::Pending,
        }
    }

    const fn resolution(self) -> Option<Resolution> {
        match self {
            Self::Resolve => Some(Resolution::Fixed),
            Self::Abandon => Some(Resolution::WontFix),
            Self::Investigate | Self::Reopen => None,
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Investigate => "dead_letter.investigate",
            Self::Resolve => "dead_letter.resolve",
            Self::Abandon => "dead_letter.abandon",
            Self::Reopen => "dead_letter.reopen",
        }
    }
}

/// Who decides, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// What.
    pub decision: Decision,
    /// Who, for the record.
    pub actor: &'a str,
    /// The person, if it is one who signs in.
    pub user: Option<UserId>,
    /// Why.
    pub reason: Option<&'a str>,
    /// What is to be kept with the letter; `None`: what is there.
    pub notes: Option<&'a str>,
    /// The operation that it is part of.
    pub operation: Option<OperationId>,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Now,
    /// The letter stands otherwise.
    InvalidState(Standing),
    /// There is no such letter.
    NotFound,
}

/// Why a letter can't be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Standing {
    /// It stands so already, or somebody was faster.
    #[error("the dead letter is {status} already{}", by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default())]
    Already {
        /// Where it stands.
        status: LetterStatus,
        /// By whose decision.
        by: Option<String>,
    },
    /// Its run was put back, and lives on or has another letter; or it is gone.
    #[error("its run was redriven, or is gone")]
    Redriven,
    /// A turn's letter can't be opened again: it could be neither resumed nor restarted.
    #[error("a chat turn's finished stages went when its dead letter was closed: it stays so")]
    ChatTurn,
}

/// Changes a letter of an organisation. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn decide(
    db: &Database,
    org: OrgId,
    letter: DeadLetterId,
    how: &Decided<'_>,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    let (changed, wakes) = within(&mut tx, org, letter, how).await?;
    if changed == Changed::Now {
        tx.commit().await?;
    }
    Ok((changed, wakes))
}

/// The letter and its run, whose lock is held.
struct Found {
    run_id: RunId,
    generation: i32,
    status: LetterStatus,
    resolution: Option<String>,
    by: Option<String>,
}

/// The same within a transaction. What can't be done has written nothing.
pub(crate) async fn within(
    tx: &mut Tx,
    org: OrgId,
    letter: DeadLetterId,
    how: &Decided<'_>,
) -> Result<(Changed, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    tx.enter(org).await?;
    let Some(run) = run_of(tx, org, letter).await? else { return Ok((Changed::NotFound, wakes)) };
    let run = settle::lock_run(tx, run).await?;
    let Some(found) = find(tx, org, letter).await? else { return Ok((Changed::NotFound, wakes)) };
    let is_its_life = run.as_ref().is_some_and(|r| r.status == RunStatus::Failed && r.generation == found.generation);
    let is_turn = run.as_ref().is_some_and(|run| run.turn.is_some());
    if let Some(standing) = refused(&found, how.decision, is_its_life, is_turn) {
        return Ok((Changed::InvalidState(standing), wakes));
    }
    let closes = !how.decision.status().is_open();
    if closes && is_its_life {
        keep_outputs(tx, letter, found.run_id).await?;
    }
    write(tx, letter, &found, how).await?;
    if closes && is_its_life {
        // Whoever still works on one has lost its token.
        wakes.cancels.push(found.run_id);
        sqlx::query!("DELETE FROM pipeline_steps WHERE run_id = $1", found.run_id.uuid())
            .execute(tx.connection())
            .await?;
    }
    record(tx, org, letter, &found, how).await?;
    Ok((Changed::Now, wakes))
}

async fn run_of(tx: &mut Tx, org: OrgId, letter: DeadLetterId) -> Result<Option<RunId>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT pipeline_run_id AS "run: RunId" FROM dead_letter_queue WHERE id = $1 AND org_id = $2"#,
        letter.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?)
}

async fn find(tx: &mut Tx, org: OrgId, letter: DeadLetterId) -> Result<Option<Found>, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT pipeline_run_id AS "run_id: RunId", generation, status, resolution, coalesce(resolved_by_actor, investigated_by_actor) AS by
           FROM dead_letter_queue WHERE id = $1 AND org_id = $2 FOR NO KEY UPDATE"#,
        letter.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(Found {
            run_id: row.run_id,
            generation: row.generation,
            status: LetterStatus::parse(&row.status)?,
            resolution: row.resolution,
            by: row.by,
        })
    })
    .transpose()
}

fn refused(found: &Found, decision: Decision, is_its_life: bool, is_turn: bool) -> Option<Standing> {
    if found.resolution.as_deref() == Some(Resolution::Redriven.as_str()) {
        return Some(Standing::Redriven);
    }
    let allowed = match decision {
        Decision::Investigate => found.status == LetterStatus::Pending,
        Decision::Resolve | Decision::Abandon => found.status.is_open(),
        Decision::Reopen => found.status != LetterStatus::Pending,
    };
    if !allowed {
        return Some(Standing::Already { status: found.status, by: found.by.clone() });
    }
    let opens_again = decision == Decision::Reopen && !found.status.is_open();
    if opens_again && is_turn {
        return Some(Standing::ChatTurn);
    }
    (opens_again && !is_its_life).then_some(Standing::Redriven)
}

/// What finished since the letter was written is in the steps only.
async fn keep_outputs(tx: &mut Tx, letter: DeadLetterId, run: RunId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE dead_letter_queue SET context_snapshot = context_snapshot || jsonb_build_object('outputs',
           (SELECT jsonb_object_agg(split_part(s.kind, '/', 2), s.output) FROM pipeline_steps s WHERE s.run_id = $2 AND s.status = 'completed'))
         WHERE id = $1 AND payload_pruned_at IS NULL AND NOT restart_only",
        letter.uuid(),
        run.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn write(tx: &mut Tx, letter: DeadLetterId, found: &Found, how: &Decided<'_>) -> Result<(), DatabaseError> {
    let status = how.decision.status();
    let restart_only = how.decision == Decision::Reopen && !found.status.is_open();
    sqlx::query!(
        "UPDATE dead_letter_queue SET status = $2::text, resolution = $3,
           resolved_at = CASE WHEN $4 THEN clock_timestamp() END, resolved_by_actor = CASE WHEN $4 THEN $5::text END,
           resolved_by = CASE WHEN $4 THEN $6::uuid END, next_retry_at = NULL,
           investigated_at = CASE $2::text WHEN 'investigating' THEN clock_timestamp() WHEN 'pending' THEN NULL ELSE investigated_at END,
           investigated_by_actor = CASE $2::text WHEN 'investigating' THEN $5 WHEN 'pending' THEN NULL ELSE investigated_by_actor END,
           resolution_notes = coalesce($7, resolution_notes), restart_only = restart_only OR $8, updated_at = clock_timestamp()
         WHERE id = $1",
        letter.uuid(),
        status.as_str(),
        how.decision.resolution().map(Resolution::as_str),
        !status.is_open(),
        how.actor,
        how.user.map(UserId::uuid),
        how.notes,
        restart_only,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn record(
    tx: &mut Tx,
    org: OrgId,
    letter: DeadLetterId,
    found: &Found,
    how: &Decided<'_>,
) -> Result<(), DatabaseError> {
    let details = json!({"run_id": found.run_id, "generation": found.generation, "was": found.status,
                         "has_notes": how.notes.is_some(), "operation": how.operation});
    let entry = Entry {
        org_id: Some(org),
        actor: how.actor,
        action: how.decision.action(),
        target_type: "dead_letter",
        target_id: &letter.to_string(),
        reason: how.reason,
        details,
    };
    audit::record(tx.connection(), &entry).await
}

/// Keeps notes with a letter, wherever it stands. False: there is no such letter.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn note(
    db: &Database,
    org: OrgId,
    letter: DeadLetterId,
    actor: &str,
    notes: &str,
) -> Result<bool, DatabaseError> {
    let mut tx = db.begin().await?;
    tx.enter(org).await?;
    let noted = sqlx::query!(
        "UPDATE dead_letter_queue SET resolution_notes = $3, updated_at = clock_timestamp() WHERE id = $1 AND org_id = $2",
        letter.uuid(),
        org.uuid(),
        notes,
    )
    .execute(tx.connection())
    .await?;
    if noted.rows_affected() == 0 {
        return Ok(false);
    }
    let entry = Entry {
        org_id: Some(org),
        actor,
        action: "dead_letter.note",
        target_type: "dead_letter",
        target_id: &letter.to_string(),
        reason: None,
        details: json!({}),
    };
    audit::record(tx.connection(), &entry).await?;
    tx.commit().await?;
    Ok(true)
}
