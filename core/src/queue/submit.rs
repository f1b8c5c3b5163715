//! Submit: a run and the steps of its first stages, in the caller's transaction.

use serde_json::{Value, json};
use uuid::Uuid;

use super::journal::{self, StreamEvent};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, InteractionId, RunId, SessionId, UserId};
use crate::pipeline::{Pipeline, PipelineInput};
use crate::run::{Lane, QualityMode};
use crate::step::{HeldBy, StepStatus};
use crate::stream::seq;

/// A run's place in the turns of its session.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Its number, from 1.
    pub number: i32,
    /// Whether an earlier turn goes first.
    pub waits: bool,
}

impl Turn {
    /// The number of the user's interaction; the assistant's is one more.
    #[must_use]
    pub const fn user_sequence(self) -> i32 {
        2 * self.number - 1
    }
}

/// What is submitted.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id, made by the caller.
    pub id: RunId,
    /// Its graph.
    pub pipeline: &'static Pipeline,
    /// Its input, as JSON.
    pub input: Value,
    /// The lane it goes in.
    pub lane: Lane,
    /// Its rank there: see [`super::rank::take`].
    pub rank: i64,
    /// How long an attempt at a stage may take, where the graph doesn't say.
    pub stage_timeout_ms: i32,
    /// Who asks for it.
    pub user_id: Option<UserId>,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// Its place among the session's turns, if it is one.
    pub turn: Option<Turn>,
    /// The user's interaction that it answers.
    pub interaction_id: Option<InteractionId>,
    /// What it makes: type and id, reserved.
    pub target: Option<(&'static str, Uuid)>,
    /// The batch that it is part of, and its item's place there.
    pub batch: Option<(BatchId, i32)>,
    /// The run that it follows from.
    pub parent_run_id: Option<RunId>,
    /// The request that submits it.
    pub request_id: Option<String>,
    /// The trace that it belongs to (W3C).
    pub traceparent: Option<String>,
    /// How much thought its model may take.
    pub quality_mode: QualityMode,
    /// Whether events and tokens are written to its stream; else it has none.
    pub stream: bool,
}

impl NewRun {
    /// A run of the input's pipeline in its own lane, with nothing else said of it.
    ///
    /// # Errors
    /// If the input can't be written as JSON.
    pub fn new<I: PipelineInput>(
        id: RunId,
        input: &I,
        rank: i64,
        stage_timeout_ms: i32,
    ) -> Result<Self, DatabaseError> {
        let pipeline = I::PIPELINE;
        Ok(Self {
            id,
            pipeline,
            input: serde_json::to_value(input)?,
            lane: pipeline.lane,
            rank,
            stage_timeout_ms,
            user_id: None,
            session_id: None,
            turn: None,
            interaction_id: None,
            target: None,
            batch: None,
            parent_run_id: None,
            request_id: None,
            traceparent: None,
            quality_mode: QualityMode::Balanced,
            stream: false,
        })
    }
}

/// Writes the run, the steps of its first stages, and, if it streams, `run.started`. After the commit, wake its lane: a settlement whose
/// effects submit does so by itself.
///
/// # Errors
/// If the database refuses: an id that is taken, a value that doesn't fit.
pub async fn submit(tx: &mut OrgTx<'_>, run: &NewRun) -> Result<(), DatabaseError> {
    insert_run(tx, run).await?;
    insert_first_steps(tx, run).await?;
    tx.note_submitted(run.lane);
    // A run that doesn't stream has no events of its own: what its followers are told is made from its row.
    if !run.stream {
        return Ok(());
    }
    let started = StreamEvent::new(run.id, tx.org(), seq(1, 0), "run.started", json!({"attempt": 1}));
    journal::write_stream(tx.connection(), &[started]).await
}

async fn insert_run(tx: &mut OrgTx<'_>, run: &NewRun) -> Result<(), DatabaseError> {
    let org = tx.org();
    sqlx::query!(
        "INSERT INTO pipeline_runs (id, org_id, user_id, session_id, interaction_id, request_id, traceparent, service, topology,
           behavior, quality_mode, pipeline, pipeline_version, lane, fair_rank, input, stream, target_type, target_id, parent_run_id,
           made, turn, user_sequence, batch_id, batch_n, stream_major, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text, $9, $10, $11, $8::text, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, 1,
           clock_timestamp())",
        run.id.uuid(),
        org.uuid(),
        run.user_id.map(UserId::uuid),
        run.session_id.map(SessionId::uuid),
        run.interaction_id.map(InteractionId::uuid),
        run.request_id,
        run.traceparent,
        run.pipeline.name,
        run.pipeline.topology(),
        run.lane.as_str(),
        run.quality_mode.as_str(),
        run.pipeline.version,
        run.lane.number(),
        run.rank,
        run.input,
        run.stream,
        run.target.map(|(kind, _)| kind),
        run.target.map(|(_, id)| id),
        run.parent_run_id.map(RunId::uuid),
        run.pipeline.first().cast_signed(),
        run.turn.map(|turn| turn.number),
        run.turn.map(Turn::user_sequence),
        run.batch.map(|(batch, _)| batch.uuid()),
        run.batch.map(|(_, n)| n),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn insert_first_steps(tx: &mut OrgTx<'_>, run: &NewRun) -> Result<(), DatabaseError> {
    let waits = run.turn.is_some_and(|turn| turn.waits);
    let (status, held_by) = if waits { (StepStatus::Held, Some(HeldBy::Turn)) } else { (StepStatus::Ready, None) };
    let org = tx.org();
    for (n, shape) in run.pipeline.stages.iter().enumerate() {
        if run.pipeline.first() & (1 << n) == 0 {
            continue;
        }
        sqlx::query!(
            "INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, held_by, deadline_at, timeout_ms, max_attempts,
               batch_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + $9::bigint * interval '1 ms', $10, $11, $12)",
            run.id.uuid(),
            stage_number(n),
            run.pipeline.kind(shape),
            org.uuid(),
            run.lane.number(),
            run.rank,
            status.as_str(),
            held_by.map(HeldBy::as_str),
            run.lane.deadline_ms(),
            shape.timeout_ms.unwrap_or(run.stage_timeout_ms),
            shape.max_attempts,
            run.batch.map(|(batch, _)| batch.uuid()),
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// A stage's place as the database has it. A graph has at most 62 stages.
pub(super) fn stage_number(n: usize) -> i16 {
    i16::try_from(n).unwrap_or(i16::MAX)
}
