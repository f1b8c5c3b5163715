//! Redrive: `failed -> queued`. The dead letter is closed, and the run lives another generation. *Resume* keeps what is finished;
//! *restart* begins anew, which an edited input and a letter whose steps are gone need, and a chat turn never does: what came
//! after it was said in the light of its own stages.

mod due;
mod revive;

use serde_json::{Value, json};

pub use self::due::due;
pub(super) use self::revive::{OfBatch, of_batch};
use super::settle::LockedRun;
use super::{Wakes, batch, gate, settle};
use crate::audit::{self, Entry};
use crate::batch::BatchStatus;
use crate::database::{Database, Tx};
use crate::dead_letter::LetterStatus;
use crate::error::DatabaseError;
use crate::id::{BatchId, DeadLetterId, OperationId, OrgId, RunId, SessionId, UserId};
use crate::pipeline::{self, InputFault, Pipeline};
use crate::run::{Lane, RunStatus};

/// Where a run begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Where it failed: finished stages stand.
    Failed,
    /// At its first stages: all run again.
    Start,
}

/// Which model is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model<'a> {
    /// As its quality mode says.
    Usual,
    /// As in the life before.
    AsBefore,
    /// This one before all others: `model`, or `provider/model`.
    This(&'a str),
}

/// How a run is redriven, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Redrive<'a> {
    /// Who asks, for the record.
    pub actor: &'a str,
    /// The person, if it is one who signs in.
    pub user: Option<UserId>,
    /// Why.
    pub reason: Option<&'a str>,
    /// Where it begins.
    pub from: Start,
    /// By what model.
    pub model: Model<'a>,
    /// What it is given instead of what it was; from the start only.
    pub input: Option<&'a Value>,
    /// The life that it is to follow; `None`: whichever was the last.
    pub generation: Option<i32>,
    /// The operation that it is part of.
    pub operation: Option<OperationId>,
    /// How long an attempt at a stage may take, where the graph doesn't say.
    pub stage_timeout_ms: i32,
    /// The graphs that are known.
    pub pipelines: &'a [&'static Pipeline],
}

impl<'a> Redrive<'a> {
    /// A resume as the run was submitted.
    #[must_use]
    pub fn new(actor: &'a str) -> Self {
        Self {
            actor,
            user: None,
            reason: None,
            from: Start::Failed,
            model: Model::Usual,
            input: None,
            generation: None,
            operation: None,
            stage_timeout_ms: 30_000,
            pipelines: &pipeline::ALL,
        }
    }
}

/// What became of a redrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redriven {
    /// The run lives again; what was finished stands.
    Resumed {
        /// Its life.
        generation: i32,
    },
    /// The run begins again.
    Restarted {
        /// Its life.
        generation: i32,
    },
    /// It is not failed, or lives another life than was meant.
    InvalidState(RunStatus),
    /// It is failed, and still can't be redriven so.
    Refused(Refusal),
    /// There is no such run.
    NotFound,
}

/// Why a failed run can't be redriven so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody closed its letter.
    #[error("its dead letter is {0}: reopen it first")]
    Closed(LetterStatus),
    /// Its steps went when its letter was closed.
    #[error("its finished stages went when its dead letter was closed: it can only begin from the start")]
    OnlyFromStart,
    /// A chat turn goes on or not at all.
    #[error("a chat turn can't begin from the start: what was said after it rests on it")]
    ChatTurn,
    /// Its batch was cancelled.
    #[error("its batch is {0}")]
    Batch(BatchStatus),
    /// Another run does its item of the batch.
    #[error("another run of its batch took over its item")]
    ItemTaken,
    /// What it was given is gone.
    #[error("its payload was pruned: there is nothing left to run it on")]
    PayloadPruned,
    /// Its graph is none of this program's.
    #[error("this program doesn't know the pipeline {0}")]
    UnknownPipeline(String),
    /// An edited input needs a restart.
    #[error("an edited input needs a start from the beginning")]
    InputNeedsStart,
    /// The edited input is none.
    #[error("the edited input can't be used: {0}")]
    Input(#[from] InputFault),
}

/// Resumes a failed run of an organisation: finished stages stand, all others run again with nothing counted.
/// `actor` is who asked, for the record. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn resume(db: &Database, org: OrgId, run: RunId, actor: &str) -> Result<(Redriven, Wakes), DatabaseError> {
    redrive(db, org, run, &Redrive::new(actor)).await
}

/// Redrives a failed run of an organisation. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn redrive(
    db: &Database,
    org: OrgId,
    run: RunId,
    how: &Redrive<'_>,
) -> Result<(Redriven, Wakes), DatabaseError> {
    let mut tx = db.begin().await?;
    let (redriven, wakes) = within(&mut tx, org, run, how).await?;
    if matches!(redriven, Redriven::Resumed { .. } | Redriven::Restarted { .. }) {
        tx.commit().await?;
    }
    Ok((redriven, wakes))
}

/// The same within a transaction. What is refused has written nothing.
pub(crate) async fn within(
    tx: &mut Tx,
    org: OrgId,
    run: RunId,
    how: &Redrive<'_>,
) -> Result<(Redriven, Wakes), DatabaseError> {
    let mut wakes = Wakes::default();
    tx.enter(org).await?;
    let Some(found) = find(tx, org, run).await? else { return Ok((Redriven::NotFound, wakes)) };
    if let Some(session) = found.session_id {
        sqlx::query!("SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session.uuid())
            .fetch_optional(tx.connection())
            .await?;
    }
    let mut batch = match found.batch_id {
        Some(batch) => batch::lock(tx, org, batch).await?,
        None => None,
    };
    let Some(locked) = settle::lock_run(tx, run).await? else { return Ok((Redriven::NotFound, wakes)) };
    let other_life = how.generation.is_some_and(|generation| generation != locked.generation);
    if locked.status != RunStatus::Failed || other_life {
        return Ok((Redriven::InvalidState(locked.status), wakes));
    }
    let begin = match begin(tx, &locked, batch.as_ref().map(|batch| batch.status), how).await? {
        Ok(begin) => begin,
        Err(refusal) => return Ok((Redriven::Refused(refusal), wakes)),
    };
    close(tx, &begin, how).await?;
    let waits = match found.session_id {
        Some(session) if locked.turn.is_some() => gate::enter(tx, session, run).await?,
        _ => false,
    };
    if let Some(batch) = &mut batch {
        batch.take_back(tx, run).await?;
    }
    let generation = revive::revive(tx, &locked, &begin, waits).await?;
    if !waits {
        wakes.lane(begin.lane);
    }
    wakes.stream(run);
    wakes.batches |= batch.is_some();
    let redriven = match begin.anew {
        Some(_) => Redriven::Restarted { generation },
        None => Redriven::Resumed { generation },
    };
    Ok((redriven, wakes))
}

struct Found {
    session_id: Option<SessionId>,
    batch_id: Option<BatchId>,
}

/// What is locked before the run is read first, without a lock: a run never changes it.
async fn find(tx: &mut Tx, org: OrgId, run: RunId) -> Result<Option<Found>, DatabaseError> {
    Ok(sqlx::query_as!(
        Found,
        r#"SELECT session_id AS "session_id: SessionId", batch_id AS "batch_id: BatchId" FROM pipeline_runs WHERE id = $1 AND org_id = $2"#,
        run.uuid(),
        org.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?)
}

/// How a run begins again: decided before anything is written.
struct Begin<'a> {
    letter: DeadLetterId,
    lane: Lane,
    /// From the start, with this graph.
    anew: Option<(&'static Pipeline, i32)>,
    input: Option<Value>,
    model: Model<'a>,
}

/// The letter of the run's present life, and what of the run says whether it can live again. Whoever changes a letter's status
/// holds its run.
struct Grave {
    letter: DeadLetterId,
    status: String,
    restart_only: bool,
    lane: i16,
    pipeline: String,
    pipeline_version: i32,
    input: Value,
    is_pruned: bool,
    has_item: bool,
    is_its_item: bool,
}

async fn grave(tx: &mut Tx, run: &LockedRun) -> Result<Option<Grave>, DatabaseError> {
    Ok(sqlx::query_as!(
        Grave,
        r#"SELECT d.id AS "letter: DeadLetterId", d.status, d.restart_only, r.lane, r.pipeline, r.pipeline_version,
             r.input, (r.input = 'null'::jsonb OR d.payload_pruned_at IS NOT NULL OR d.context_snapshot = '{}'::jsonb) AS "is_pruned!", r.batch_id IS NOT NULL AS "has_item!",
             EXISTS (SELECT 1 FROM batch_items i WHERE i.batch_id = r.batch_id AND i.n = r.batch_n AND i.run_id = r.id
               AND i.status IN ('failed', 'waiting')) AS "is_its_item!"
           FROM pipeline_runs r JOIN dead_letter_queue d ON d.pipeline_run_id = r.id AND d.generation = r.generation WHERE r.id = $1"#,
        run.id.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?)
}

async fn begin<'a>(
    tx: &mut Tx,
    run: &LockedRun,
    batch: Option<BatchStatus>,
    how: &Redrive<'a>,
) -> Result<Result<Begin<'a>, Refusal>, DatabaseError> {
    let Some(grave) = grave(tx, run).await? else { return Ok(Err(Refusal::PayloadPruned)) };
    let status = LetterStatus::parse(&grave.status)?;
    let lane = Lane::from_number(grave.lane)?;
    Ok(grave.judge(run, (status, lane), batch, how))
}

impl Grave {
    fn judge<'a>(
        self,
        run: &LockedRun,
        (status, lane): (LetterStatus, Lane),
        batch: Option<BatchStatus>,
        how: &Redrive<'a>,
    ) -> Result<Begin<'a>, Refusal> {
        if let Some(status @ (BatchStatus::Cancelling | BatchStatus::Cancelled)) = batch {
            return Err(Refusal::Batch(status));
        }
        if !status.is_open() {
            return Err(Refusal::Closed(status));
        }
        // A batch that was pruned has no maximum any more.
        if self.has_item && (!self.is_its_item || batch.is_none()) {
            return Err(Refusal::ItemTaken);
        }
        if self.is_pruned {
            return Err(Refusal::PayloadPruned);
        }
        if how.from == Start::Failed {
            let refusal = if how.input.is_some() {
                Some(Refusal::InputNeedsStart)
            } else {
                self.restart_only.then_some(Refusal::OnlyFromStart)
            };
            let begin = Begin { letter: self.letter, lane, anew: None, input: None, model: how.model };
            return refusal.map_or(Ok(begin), Err);
        }
        if run.turn.is_some() {
            return Err(Refusal::ChatTurn);
        }
        let known = |one: &&&'static Pipeline| one.name == self.pipeline && one.version == self.pipeline_version;
        let Some(graph) = how.pipelines.iter().find(known).copied() else {
            return Err(Refusal::UnknownPipeline(format!("{}@{}", self.pipeline, self.pipeline_version)));
        };
        let edit = |input| pipeline::edited(&self.pipeline, &self.input, input, self.has_item);
        let input = how.input.map(edit).transpose()?;
        Ok(Begin { letter: self.letter, lane, anew: Some((graph, how.stage_timeout_ms)), input, model: how.model })
    }
}

/// Closes the letter, and writes down who did it.
async fn close(tx: &mut Tx, begin: &Begin<'_>, how: &Redrive<'_>) -> Result<(), DatabaseError> {
    let row = sqlx::query!(
        r#"UPDATE dead_letter_queue SET status = 'resolved', resolution = 'redriven', resolved_at = clock_timestamp(),
             resolved_by_actor = $2, resolved_by = $3, retry_count = retry_count + 1, last_retry_at = clock_timestamp(),
             next_retry_at = NULL, updated_at = clock_timestamp()
           WHERE id = $1 RETURNING org_id AS "org_id: OrgId", pipeline_run_id AS "run: RunId", generation"#,
        begin.letter.uuid(),
        how.actor,
        how.user.map(UserId::uuid),
    )
    .fetch_one(tx.connection())
    .await?;
    let model = match begin.model {
        Model::This(model) => Some(model),
        Model::Usual | Model::AsBefore => None,
    };
    let details = json!({"run_id": row.run, "generation": row.generation, "from": how.from, "model": model,
                         "edited_input": begin.input.is_some(), "operation": how.operation});
    let entry = Entry {
        org_id: Some(row.org_id),
        actor: how.actor,
        action: "dead_letter.redrive",
        target_type: "dead_letter",
        target_id: &begin.letter.to_string(),
        reason: how.reason,
        details,
    };
    audit::record(tx.connection(), &entry).await
}
