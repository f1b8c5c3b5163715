//! Fail: a step is dead, and its run with it. The run keeps its row, events, outputs and calls (rule 6); its other
//! steps are held for a redrive; a dead letter keeps the context.

use serde_json::{Value, json};

use super::finish::EndedRun;
use super::settle::{Landed, LockedRun, Work};
use super::{End, RunContext};
use crate::database::Tx;
use crate::error::{DatabaseError, Failure};
use crate::id::LeaseToken;
use crate::pipeline::stage_of_kind;
use crate::run::RunStatus;

/// Where and how a step died.
pub(super) struct Death<'a> {
    pub(super) stage: &'a str,
    pub(super) attempt: i16,
    pub(super) failure: &'a Failure,
    pub(super) token: LeaseToken,
}

impl Death<'_> {
    /// The contract's error, with where it happened.
    fn failure(&self) -> Failure {
        let mut failure = self.failure.clone();
        failure.stage = Some(self.stage.to_owned());
        failure.attempt = Some(i32::from(self.attempt));
        failure
    }
}

/// Fails a live run: the first death of its generation.
pub(super) async fn fail(
    tx: &mut Tx,
    work: &mut Work,
    run: &mut LockedRun,
    ends: &[Landed<'_>],
) -> Result<(), DatabaseError> {
    let deaths: Vec<Death<'_>> = deaths(ends).collect();
    let Some(first) = deaths.first() else { return Ok(()) };
    let context = ends.first().map(|end| end.settlement.step.run());
    hold_siblings(tx, run).await?;
    bury(tx, run, context.map(AsRef::as_ref), first).await?;
    for death in deaths.iter().skip(1) {
        append_death(tx, run, death).await?;
    }
    let started_at = ends.first().map(|end| end.settlement.step.claimed_at);
    work.ended.push(EndedRun::failed(run, first.failure(), Some(first.token), started_at));
    Ok(())
}

/// Adds further deaths of a run that is failed already to its open dead letter.
pub(super) async fn append(tx: &mut Tx, run: &LockedRun, ends: &[Landed<'_>]) -> Result<(), DatabaseError> {
    for death in deaths(ends) {
        append_death(tx, run, &death).await?;
    }
    Ok(())
}

fn deaths<'a>(ends: &'a [Landed<'_>]) -> impl Iterator<Item = Death<'a>> {
    ends.iter().filter_map(|end| {
        let step = &end.settlement.step;
        match &end.settlement.end {
            End::Fail(failure) => {
                Some(Death { stage: step.shape.name, attempt: step.attempt(), failure, token: step.token })
            }
            _ => None,
        }
    })
}

/// One UPDATE and no SELECT before it, since a claim doesn't lock the run: what it takes meanwhile runs on, and is
/// checkpointed.
async fn hold_siblings(tx: &mut Tx, run: &LockedRun) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE pipeline_steps SET status = 'held', held_by = 'failed', available_at = NULL, delay_reason = NULL, delay_detail = NULL
         WHERE run_id = $1 AND (status IN ('ready', 'delayed') OR held_by = 'pause')",
        run.id.uuid()
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Writes the dead letter of this generation.
pub(super) async fn bury(
    tx: &mut Tx,
    run: &LockedRun,
    context: Option<&RunContext>,
    death: &Death<'_>,
) -> Result<(), DatabaseError> {
    let failure = death.failure();
    let snapshot = snapshot(run, context);
    sqlx::query!(
        "INSERT INTO dead_letter_queue (id, org_id, pipeline_run_id, generation, error_type, error_message, error_code, failed_stage,
           errors, context_snapshot, input_data, request_id, session_id, user_id)
         SELECT $1, r.org_id, r.id, r.generation, $3, $4, $3, $5, $6,
           $7::jsonb || jsonb_build_object('outputs', (SELECT jsonb_object_agg(split_part(s.kind, '/', 2), s.output)
             FROM pipeline_steps s WHERE s.run_id = r.id AND s.status = 'completed')),
           r.input, r.request_id, r.session_id, r.user_id
         FROM pipeline_runs r WHERE r.id = $2",
        crate::id::DeadLetterId::new().uuid(),
        run.id.uuid(),
        failure.code.as_str(),
        failure.message,
        death.stage,
        Value::Array(vec![serde_json::to_value(&failure)?]),
        snapshot,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

fn snapshot(run: &LockedRun, context: Option<&RunContext>) -> Value {
    json!({
        "pipeline_run_id": run.id,
        "org_id": run.org_id,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "request_id": run.request_id,
        "generation": run.generation,
        "turn": run.turn,
        "done": run.done,
        "user_sequence": context.and_then(|c| c.user_sequence),
        "quality_mode": context.map(|c| c.quality_mode),
    })
}

pub(super) async fn append_death(tx: &mut Tx, run: &LockedRun, death: &Death<'_>) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE dead_letter_queue SET errors = errors || $3::jsonb, updated_at = clock_timestamp()
         WHERE pipeline_run_id = $1 AND generation = $2 AND status IN ('pending', 'investigating')",
        run.id.uuid(),
        run.generation,
        Value::Array(vec![serde_json::to_value(death.failure())?]),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A dead worker's step that has no crash left, settled as a failure by the reaper: alone, in its own transaction.
pub(super) struct Reaped<'a> {
    pub(super) run: &'a mut LockedRun,
    pub(super) kind: &'a str,
    pub(super) attempt: i16,
    pub(super) token: LeaseToken,
    pub(super) failure: &'a Failure,
}

impl Reaped<'_> {
    /// The consequences of a death for its run; the step's row is written already.
    pub(super) async fn settle(self, tx: &mut Tx, ended: &mut Vec<EndedRun>) -> Result<(), DatabaseError> {
        let Self { run, kind, attempt, token, failure } = self;
        let death = Death { stage: stage_of_kind(kind), attempt, failure, token };
        if run.status == RunStatus::Failed {
            return append_death(tx, run, &death).await;
        }
        hold_siblings(tx, run).await?;
        bury(tx, run, None, &death).await?;
        // No settlement ended it: the owner that was lost is fenced, should it come back.
        ended.push(EndedRun::failed(run, death.failure(), None, None));
        Ok(())
    }
}
