//! Complete: stages that are done (ok or skipped), the run's progress, and the stages that follow.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::carry::{self, Taken};
use super::finish::EndedRun;
use super::settle::{Landed, LockedRun, SettleOptions, Work};
use super::submit::stage_number;
use super::{ClaimedStep, End};
use crate::database::Tx;
use crate::error::{DatabaseError, ErrorCode};
use crate::id::{LeaseToken, RunId};
use crate::run::RunStatus;
use crate::step::{HeldBy, StepStatus};
use crate::stream::{self, Opened, delta};

/// A live run's progress, as it will be written.
#[derive(Debug)]
pub(super) struct Progress {
    run: RunId,
    done: u64,
    made: u64,
    major: i32,
    started_at: DateTime<Utc>,
}

/// A stage that follows, as it will be written.
#[derive(Debug)]
pub(super) struct Successor {
    run: RunId,
    stage: usize,
    /// The settled stage that its organisation, rank and deadline are copied from.
    from: Arc<From>,
    status: StepStatus,
    held_by: Option<HeldBy>,
    handed_over: Option<HandOver>,
}

#[derive(Debug)]
struct From {
    stage: usize,
    run: Arc<super::RunContext>,
    pipeline: &'static crate::pipeline::Pipeline,
    lane: crate::run::Lane,
}

type Checkpoints = Arc<BTreeMap<usize, Value>>;

#[derive(Debug)]
struct HandOver {
    /// The settlement whose slot it takes over.
    index: usize,
    token: LeaseToken,
    opened: Option<Opened>,
    /// The checkpoints that it may read, if this settlement knows all of them.
    needs: Option<Checkpoints>,
}

/// Marks what is done in the run.
pub(super) fn mark_done(run: &mut LockedRun, ends: &[Landed<'_>]) {
    for end in ends {
        if matches!(end.settlement.end, End::Ok(_) | End::Skip { .. }) {
            run.done |= 1 << end.settlement.step.stage;
        }
    }
}

/// Marks what is done, makes what follows (held, if the run is failed or fails now), and ends the run when all is done.
pub(super) fn checkpoint(
    work: &mut Work,
    run: &mut LockedRun,
    (ends, taken): (&[Landed<'_>], &[Taken<'_>]),
    failed: bool,
) {
    mark_done(run, ends);
    let Some(first) = ends.first() else { return };
    let pipeline = first.settlement.step.pipeline;
    if run.done == pipeline.all() && !failed {
        let settled = ends.iter().map(|end| (&end.settlement.step, &end.settlement.end));
        let carried = taken.iter().map(|(carried, ..)| (&carried.step, &carried.end));
        let last = settled.chain(carried).find(|(step, _)| step.stage + 1 == pipeline.stages.len());
        let result = last.and_then(|(_, end)| match end {
            End::Ok(output) => Some(output.clone()),
            _ => None,
        });
        let token = last.map(|(step, _)| step.token);
        let started_at = first.settlement.step.claimed_at;
        let ended = EndedRun::folded(run, RunStatus::Completed, None, token, started_at);
        work.ended.push(ended.with_result(result).with_carried(carry::folded(taken)));
        return;
    }
    work.carried.extend(carry::rows(run, taken, work.options.stage_timeout_ms));
    follow(work, run, (ends, taken), failed);
    work.progress.push(Progress {
        run: run.id,
        done: run.done,
        made: run.made,
        major: run.major,
        started_at: first.settlement.step.claimed_at,
    });
}

/// Every stage whose needs are done and that has no step yet gets one. Each settled step's slot may take one over.
fn follow(work: &mut Work, run: &mut LockedRun, (ends, taken): (&[Landed<'_>], &[Taken<'_>]), failed: bool) {
    let Some(settled) = ends.iter().find(|end| matches!(end.settlement.end, End::Ok(_) | End::Skip { .. })) else {
        return;
    };
    let step = &settled.settlement.step;
    let from =
        Arc::new(From { stage: step.stage, run: Arc::clone(&step.run), pipeline: step.pipeline, lane: step.lane });
    let bits = step.pipeline.successors(run.done, run.made);
    run.made |= bits;
    // A paused one's successor is ready: the claim that meets it holds it.
    let stands = work.options.pauses.hold(step.lane, step.pipeline.name, &step.run);
    let mut slots = ends.iter().filter(|_| work.options.hand_over && !failed && !stands);
    let mut openings = Vec::new();
    let needs = known(run.done, ends, taken);
    for (stage, shape) in step.pipeline.stages.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0) {
        let slot = slots.next();
        let (status, held_by) = match (failed, slot.is_some()) {
            (true, _) => (StepStatus::Held, Some(HeldBy::Failed)),
            (false, true) => (StepStatus::Running, None),
            (false, false) => (StepStatus::Ready, None),
        };
        if status == StepStatus::Ready {
            work.wakes.lane(step.lane);
        }
        let handed_over = slot.map(|slot| HandOver {
            index: slot.index,
            token: slot.settlement.hand_over,
            opened: (shape.streams && from.run.stream).then(|| open(run, shape.name, &mut openings)),
            needs: needs.clone(),
        });
        work.successors.push(Successor { run: run.id, stage, from: Arc::clone(&from), status, held_by, handed_over });
    }
    // A streaming stage runs alone, so there is at most one opening.
    if let Some(events) = openings.pop() {
        work.lifecycle(run, events);
    }
}

/// The checkpoints of all that is done, if what is settled here knows them: what its steps were given, and what came of them.
fn known(done: u64, ends: &[Landed<'_>], taken: &[Taken<'_>]) -> Option<Checkpoints> {
    let settled = ends.iter().map(|end| (&end.settlement.step, &end.settlement.end));
    let carried = taken.iter().map(|(carried, ..)| (&carried.step, &carried.end));
    let (mut known, mut outputs) = (0_u64, BTreeMap::new());
    for (step, end) in settled.chain(carried) {
        for (stage, output) in step.needs.iter() {
            known |= 1 << stage;
            outputs.entry(*stage).or_insert_with(|| output.clone());
        }
        match end {
            End::Ok(output) => drop(outputs.insert(step.stage, output.clone())),
            End::Skip { .. } => {}
            _ => continue,
        }
        known |= 1 << step.stage;
    }
    (done & !known == 0).then(|| Arc::new(outputs))
}

type Events = Vec<(&'static str, Value)>;

/// The first events of a streaming attempt that is handed over. They take the run's next major.
fn open(run: &LockedRun, stage: &str, openings: &mut Vec<Events>) -> Opened {
    let mut events = vec![("stage.started", json!({"stage": stage, "attempt": 1}))];
    if run.generation > 1 {
        events.push(("output.reset", json!({"reason": "retry", "attempt": 1})));
    }
    let opened = Opened { major: run.major + 1, next_minor: if run.generation > 1 { 2 } else { 1 } };
    openings.push(events);
    opened
}

/// A stage that is done took back what was streamed: readers forget it, and get this text instead.
pub(super) fn take_back(work: &mut Work, run: &mut LockedRun, ends: &[Landed<'_>]) {
    for end in ends {
        let (End::Ok(_), Some(text)) = (&end.settlement.end, &end.settlement.instead) else { continue };
        let attempt = end.settlement.step.attempt();
        let reset = ("output.reset", json!({"reason": "filtered", "attempt": attempt}));
        work.lifecycle(run, vec![reset, ("output.delta", delta(None, text, attempt))]);
    }
}

/// A guard refused what was streamed, and its run fails of it: readers forget the text, and get none instead.
pub(super) fn withdraw(work: &mut Work, run: &mut LockedRun, ends: &[Landed<'_>]) {
    for end in ends {
        let End::Fail(failure) = &end.settlement.end else { continue };
        let step = &end.settlement.step;
        let streamed = step.run.stream
            && step.pipeline.stages.iter().enumerate().any(|(n, shape)| shape.streams && run.made & (1 << n) != 0);
        if failure.code == ErrorCode::GuardBlocked && streamed {
            work.lifecycle(run, vec![("output.reset", json!({"reason": "filtered", "attempt": step.attempt()}))]);
        }
    }
}

/// A streaming step that is done left its text in the stream, unless a crash of the database forgot some of it:
/// then the whole text is written again.
pub(super) async fn restore_stream(
    tx: &mut Tx,
    work: &mut Work,
    run: &mut LockedRun,
    ends: &[Landed<'_>],
) -> Result<(), DatabaseError> {
    for end in ends {
        let (End::Ok(_), Some(tail)) = (&end.settlement.end, &end.settlement.stream) else { continue };
        let there = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM run_stream WHERE run_id = $1 AND seq = $2) AS "there!""#,
            run.id.uuid(),
            stream::seq(tail.major, tail.last_minor),
        )
        .fetch_one(tx.connection())
        .await?;
        if !there {
            let attempt = end.settlement.step.attempt();
            let reset = ("output.reset", json!({"reason": "retry", "attempt": attempt}));
            work.lifecycle(run, std::iter::once(reset).chain(tail.text.deltas(attempt)).collect());
        }
    }
    Ok(())
}

/// Writes the progress of live runs, in one statement.
pub(super) async fn write_progress(connection: &mut PgConnection, progress: &[Progress]) -> Result<(), DatabaseError> {
    if progress.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = progress.iter().map(|p| p.run.uuid()).collect();
    let done: Vec<i64> = progress.iter().map(|p| p.done.cast_signed()).collect();
    let made: Vec<i64> = progress.iter().map(|p| p.made.cast_signed()).collect();
    let majors: Vec<i32> = progress.iter().map(|p| p.major).collect();
    let started: Vec<DateTime<Utc>> = progress.iter().map(|p| p.started_at).collect();
    sqlx::query!(
        "UPDATE pipeline_runs r SET done = v.done, made = v.made, stream_major = v.major,
           status = CASE r.status WHEN 'queued' THEN 'running' ELSE r.status END, started_at = coalesce(r.started_at, v.started_at)
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::timestamptz[]) AS v(run_id, done, made, major, started_at)
         WHERE r.id = ANY($1) AND r.id = v.run_id",
        &runs,
        &done,
        &made,
        &majors,
        &started,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the stages that follow, in one statement, and makes claimed steps of those that are handed over.
pub(super) async fn write_successors(
    connection: &mut PgConnection,
    options: &SettleOptions,
    successors: &[Successor],
) -> Result<Vec<(usize, ClaimedStep)>, DatabaseError> {
    if successors.is_empty() {
        return Ok(Vec::new());
    }
    let shape = |s: &Successor| s.from.pipeline.stages.get(s.stage).copied();
    let timeout = |s: &Successor| shape(s).and_then(|shape| shape.timeout_ms).unwrap_or(options.stage_timeout_ms);
    let runs: Vec<Uuid> = successors.iter().map(|s| s.run.uuid()).collect();
    let stages: Vec<i16> = successors.iter().map(|s| stage_number(s.stage)).collect();
    let from: Vec<i16> = successors.iter().map(|s| stage_number(s.from.stage)).collect();
    let kinds: Vec<String> =
        successors.iter().map(|s| shape(s).map(|x| s.from.pipeline.kind(&x)).unwrap_or_default()).collect();
    let statuses: Vec<String> = successors.iter().map(|s| s.status.as_str().to_owned()).collect();
    let held: Vec<Option<String>> = successors.iter().map(|s| s.held_by.map(|held| held.as_str().to_owned())).collect();
    let tokens: Vec<Option<Uuid>> = successors.iter().map(|s| s.handed_over.as_ref().map(|h| h.token.uuid())).collect();
    let timeouts: Vec<i32> = successors.iter().map(timeout).collect();
    let attempts: Vec<i16> = successors.iter().map(|s| shape(s).map_or(1, |shape| shape.max_attempts)).collect();
    let rows = sqlx::query_file!(
        "src/queue/successors.sql",
        &runs,
        &stages,
        &from,
        &kinds,
        &statuses,
        &held as &[Option<String>],
        &tokens as &[Option<Uuid>],
        &timeouts,
        &attempts,
        options.worker.uuid(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let claimed: HashMap<(Uuid, i16), (DateTime<Utc>, i64)> =
        rows.into_iter().filter_map(|row| Some(((row.run_id, row.stage), (row.claimed_at?, row.left_ms)))).collect();
    let needs = read_needs(connection, successors).await?;
    let next = successors.iter().filter_map(|successor| {
        let &(claimed_at, left_ms) = claimed.get(&(successor.run.uuid(), stage_number(successor.stage)))?;
        let known = successor.handed_over.as_ref().and_then(|handed_over| handed_over.needs.clone());
        let needs = known.or_else(|| needs.get(&successor.run).cloned()).unwrap_or_default();
        successor.claimed(claimed_at, left_ms, timeout(successor), needs)
    });
    Ok(next.collect())
}

impl Successor {
    /// The step that was handed over, with the index of the settlement whose slot it takes.
    fn claimed(
        &self,
        claimed_at: DateTime<Utc>,
        left_ms: i64,
        timeout_ms: i32,
        needs: Checkpoints,
    ) -> Option<(usize, ClaimedStep)> {
        let handed_over = self.handed_over.as_ref()?;
        let shape = self.from.pipeline.stages.get(self.stage)?;
        let step = ClaimedStep {
            run: Arc::clone(&self.from.run),
            pipeline: self.from.pipeline,
            stage: self.stage,
            shape,
            lane: self.from.lane,
            token: handed_over.token,
            epoch: 1,
            claimed_at,
            past_deadline: left_ms <= 0,
            time_left: Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)),
            timeout: Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)),
            max_attempts: shape.max_attempts,
            failures: 0,
            crashes: 0,
            last_error: None,
            needs,
            opened: handed_over.opened,
        };
        Some((handed_over.index, step))
    }
}

type Needs = HashMap<RunId, Checkpoints>;

/// The checkpoints that handed-over stages may read, where the settlement doesn't know them: after the fence, in the same
/// transaction.
async fn read_needs(connection: &mut PgConnection, successors: &[Successor]) -> Result<Needs, DatabaseError> {
    let runs: Vec<Uuid> = successors
        .iter()
        .filter(|s| s.handed_over.as_ref().is_some_and(|handed_over| handed_over.needs.is_none()))
        .map(|s| s.run.uuid())
        .collect();
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"SELECT run_id AS "run_id: RunId", stage, output AS "output!" FROM pipeline_steps
           WHERE run_id = ANY($1) AND status = 'completed' AND output IS NOT NULL"#,
        &runs
    )
    .fetch_all(connection)
    .await?;
    let mut needs: HashMap<RunId, BTreeMap<usize, Value>> = HashMap::new();
    for row in rows {
        let stage = usize::try_from(row.stage).unwrap_or(usize::MAX);
        needs.entry(row.run_id).or_default().insert(stage, row.output);
    }
    Ok(needs.into_iter().map(|(run, needs)| (run, Arc::new(needs))).collect())
}
