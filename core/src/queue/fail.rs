//! Fail: a step is dead, and its run with it. The run keeps its row, events, outputs and calls (rule 6); its other
//! steps are held for a redrive; a dead letter keeps the context.

use serde_json::Value;
use uuid::Uuid;

use super::End;
use super::finish::EndedRun;
use super::settle::{Landed, LockedRun, Work};
use crate::database::Tx;
use crate::dead_letter::fingerprint::Cause;
use crate::dead_letter::{Automatic, MAX_RETRIES};
use crate::error::{DatabaseError, Failure};
use crate::id::{DeadLetterId, LeaseToken};
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
    hold_siblings(tx, run).await?;
    bury(tx, run, first, &work.options.automatic).await?;
    work.died.push(run.id.uuid());
    for death in deaths.iter().skip(1) {
        append_death(tx, run, death).await?;
    }
    let started_at = ends.first().map(|end| end.settlement.step.claimed_at);
    work.ended.push(EndedRun::failed(run, first.failure(), Some(first.token), started_at));
    Ok(())
}

/// Adds further deaths of a run that is failed already to its open dead letter.
pub(super) async fn append(
    tx: &mut Tx,
    work: &mut Work,
    run: &LockedRun,
    ends: &[Landed<'_>],
) -> Result<(), DatabaseError> {
    for death in deaths(ends) {
        append_death(tx, run, &death).await?;
    }
    work.died.push(run.id.uuid());
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

/// What the letter's columns say beside the run's own.
struct Asked {
    pipeline: String,
    provider: Option<String>,
    model_id: Option<String>,
}

/// Writes the dead letter of this generation. Its attempts are added once the last one's event is written: see [`record_attempts`].
pub(super) async fn bury(
    tx: &mut Tx,
    run: &LockedRun,
    death: &Death<'_>,
    automatic: &Automatic,
) -> Result<(), DatabaseError> {
    let failure = death.failure();
    let asked = asked(tx, run, death.stage).await?;
    let provider = failure.provider.clone().or(asked.provider);
    let (code, message) = (failure.code, failure.message.as_str());
    let cause =
        Cause { pipeline: &asked.pipeline, stage: death.stage, code, provider: failure.provider.as_deref(), message };
    sqlx::query_file!(
        "src/queue/bury.sql",
        DeadLetterId::new().uuid(),
        run.id.uuid(),
        code.as_str(),
        message,
        death.stage,
        Value::Array(vec![serde_json::to_value(&failure)?]),
        provider,
        asked.model_id,
        cause.fingerprint(),
        automatic.delay_ms(code),
        MAX_RETRIES,
        run.done.cast_signed(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The run's pipeline, and whom its stage asked last.
async fn asked(tx: &mut Tx, run: &LockedRun, stage: &str) -> Result<Asked, DatabaseError> {
    Ok(sqlx::query_as!(
        Asked,
        r#"SELECT r.pipeline, c.provider AS "provider?", c.model_id AS "model_id?" FROM pipeline_runs r
           LEFT JOIN LATERAL (SELECT p.provider, p.model_id FROM provider_calls p
             JOIN pipeline_steps s ON s.run_id = p.pipeline_run_id AND s.stage = p.stage AND split_part(s.kind, '/', 2) = $2
             WHERE p.pipeline_run_id = r.id ORDER BY p.id DESC LIMIT 1) c ON true
           WHERE r.id = $1"#,
        run.id.uuid(),
        stage,
    )
    .fetch_one(tx.connection())
    .await?)
}

/// Writes what was tried into the open letters of these runs, from the record and the ledger, once the last attempts' events
/// are there.
pub(super) async fn record_attempts(tx: &mut Tx, runs: &[Uuid]) -> Result<(), DatabaseError> {
    if runs.is_empty() {
        return Ok(());
    }
    sqlx::query_file!("src/queue/attempts.sql", runs).execute(tx.connection()).await?;
    Ok(())
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
    pub(super) automatic: &'a Automatic,
}

impl Reaped<'_> {
    /// The consequences of a death for its run; the step's row is written already.
    pub(super) async fn settle(self, tx: &mut Tx, ended: &mut Vec<EndedRun>) -> Result<(), DatabaseError> {
        let Self { run, kind, attempt, token, failure, automatic } = self;
        let death = Death { stage: stage_of_kind(kind), attempt, failure, token };
        if run.status == RunStatus::Failed {
            return append_death(tx, run, &death).await;
        }
        hold_siblings(tx, run).await?;
        bury(tx, run, &death, automatic).await?;
        // No settlement ended it: the owner that was lost is fenced, should it come back.
        ended.push(EndedRun::failed(run, death.failure(), None, None));
        Ok(())
    }
}
