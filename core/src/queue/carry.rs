//! Carry: a worker that has done a stage goes on with those that follow and call nothing outside the database, before it
//! settles. What it did is one settlement (`protocol.md` 5).
//!
//! Only successes are carried. A stage that ends in any other way is left out, and runs as a step of its own: no way in
//! which a step can end has a second form here. What was carried is taken only for stages that nobody has made a step of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::journal::{self, WideEvent};
use super::settle::{Landed, LockedRun, Work};
use super::submit::stage_number;
use super::{ClaimedStep, Effects, End, Settlement};
use crate::error::DatabaseError;
use crate::id::RunId;
use crate::pipeline::Pipeline;
use crate::run::RunStatus;

/// A stage that was done before what comes before it was settled.
pub(super) struct Carried {
    pub(super) step: ClaimedStep,
    pub(super) end: End,
    pub(super) effects: Option<Arc<dyn Effects>>,
    pub(super) instead: Option<String>,
    pub(super) took: Duration,
}

/// A carried stage of a run that goes on, as it will be written.
#[derive(Debug)]
pub(super) struct CarriedRow {
    run: RunId,
    stage: usize,
    /// The settled stage that its organisation, rank and deadline are copied from.
    from: usize,
    kind: String,
    output: Option<Value>,
    timeout_ms: i32,
    max_attempts: i16,
}

/// What is taken: with the stage that it was settled with, and when.
pub(super) type Taken<'s> = (&'s Carried, usize, DateTime<Utc>);

impl Settlement {
    /// The stage that this worker may go on with: it follows from what is settled here, all that it needs is known here,
    /// and it calls nothing outside the database.
    #[must_use]
    pub fn goes_on_with(&self) -> Option<ClaimedStep> {
        if !is_success(&self.end) {
            return None;
        }
        let step = &self.step;
        let fresh = self.carried.iter().fold(1 << step.stage, |bits, carried| bits | 1 << carried.step.stage);
        let stage = next(step.pipeline, before(step.pipeline, step.stage), fresh)?;
        let shape = step.pipeline.stages.get(stage)?;
        let mut needs: BTreeMap<usize, Value> = step.needs.as_ref().clone();
        needs.extend(output_of(step, &self.end));
        for carried in &self.carried {
            needs.extend(output_of(&carried.step, &carried.end));
        }
        Some(ClaimedStep {
            run: Arc::clone(&step.run),
            pipeline: step.pipeline,
            stage,
            shape,
            lane: step.lane,
            token: step.token,
            epoch: 1,
            claimed_at: step.claimed_at,
            past_deadline: false,
            time_left: step.time_left,
            timeout: step.timeout,
            max_attempts: shape.max_attempts,
            failures: 0,
            crashes: 0,
            last_error: None,
            needs: Arc::new(needs),
            opened: None,
        })
    }

    /// Takes along what came of that stage, and says whether it did: only a success is.
    pub fn carry(&mut self, ended: Self, took: Duration) -> bool {
        if !is_success(&ended.end) {
            return false;
        }
        let Self { step, end, effects, instead, .. } = ended;
        self.carried.push(Carried { step, end, effects, instead, took });
        true
    }
}

const fn is_success(end: &End) -> bool {
    matches!(end, End::Ok(_) | End::Skip { .. })
}

fn output_of(step: &ClaimedStep, end: &End) -> Option<(usize, Value)> {
    match end {
        End::Ok(output) => Some((step.stage, output.clone())),
        _ => None,
    }
}

/// All stages that must be done before a stage runs, as bits.
fn before(pipeline: &Pipeline, stage: usize) -> u64 {
    let mut bits = pipeline.deps(stage);
    for n in (0..stage).rev() {
        if bits & (1 << n) != 0 {
            bits |= pipeline.deps(n);
        }
    }
    bits
}

/// The first inline stage that one of the `fresh` stages makes possible, and which needs nothing but what is known.
fn next(pipeline: &Pipeline, known: u64, fresh: u64) -> Option<usize> {
    let known = known | fresh;
    pipeline.stages.iter().enumerate().position(|(n, shape)| {
        let deps = pipeline.deps(n);
        shape.is_inline() && known & (1 << n) == 0 && deps & known == deps && deps & fresh != 0
    })
}

/// What is taken of what was carried: in a live run where nothing went wrong, up to the first stage that has a step.
pub(super) fn taken<'s>(run: &LockedRun, ends: &[Landed<'s>]) -> Vec<Taken<'s>> {
    if run.status == RunStatus::Failed || !ends.iter().all(|end| is_success(&end.settlement.end)) {
        return Vec::new();
    }
    let done = ends.iter().fold(run.done, |done, end| done | 1 << end.settlement.step.stage);
    let mut taken = Vec::new();
    for end in ends {
        let (mut done, mut made) = (done, run.made);
        for carried in &end.settlement.carried {
            let stage = carried.step.stage;
            if made & (1 << stage) != 0 || carried.step.pipeline.deps(stage) & !done != 0 {
                break;
            }
            done |= 1 << stage;
            made |= 1 << stage;
            taken.push((carried, end.settlement.step.stage, end.row.now));
        }
    }
    taken
}

/// Marks what was carried as made and done, and records it.
pub(super) fn journal(work: &mut Work, run: &mut LockedRun, taken: &[Taken<'_>]) {
    let mut events = Vec::new();
    for (carried, _, now) in taken {
        run.made |= 1 << carried.step.stage;
        run.done |= 1 << carried.step.stage;
        work.wide.push(wide(carried, work.options.worker, *now));
        if let Some(text) = &carried.instead {
            events.push(("output.reset", json!({"reason": "filtered", "attempt": 1})));
            events.push(("output.delta", crate::stream::delta(None, text, 1)));
        }
        let completed = json!({
            "stage": carried.step.shape.name, "status": journal::end_word(&carried.end), "attempt": 1,
            "duration_ms": whole_ms(carried.took),
        });
        events.push(("stage.completed", completed));
    }
    work.lifecycle(run, events);
}

/// Its times are those of the settlement: only the database's clock is told.
fn wide(carried: &Carried, worker: crate::WorkerId, now: DateTime<Utc>) -> WideEvent {
    let mut wide = journal::stage_wide(&carried.step, worker, &carried.end, now);
    if let Some(data) = wide.data.as_object_mut() {
        data.insert("claimed_at".to_owned(), json!(now));
        data.insert("duration_ms".to_owned(), json!(whole_ms(carried.took)));
        data.insert("carried".to_owned(), json!(true));
    }
    wide
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What the run's row keeps of them, when the run ends with them.
pub(super) fn folded(taken: &[Taken<'_>]) -> Value {
    let stages = taken.iter().map(|(carried, _, _)| {
        let what = json!({
            "status": journal::end_word(&carried.end), "duration_ms": whole_ms(carried.took), "attempts": 1, "error": null,
        });
        (carried.step.shape.name.to_owned(), what)
    });
    Value::Object(stages.collect::<Map<String, Value>>())
}

/// The rows that a run has of them, when it goes on.
pub(super) fn rows<'a>(
    run: &'a LockedRun,
    taken: &'a [Taken<'_>],
    stage_timeout_ms: i32,
) -> impl Iterator<Item = CarriedRow> + 'a {
    taken.iter().map(move |(carried, from, _)| CarriedRow {
        run: run.id,
        stage: carried.step.stage,
        from: *from,
        kind: carried.step.pipeline.kind(carried.step.shape),
        output: output_of(&carried.step, &carried.end).map(|(_, output)| output),
        timeout_ms: carried.step.shape.timeout_ms.unwrap_or(stage_timeout_ms),
        max_attempts: carried.step.shape.max_attempts,
    })
}

/// Writes the rows of what was carried, in one statement.
pub(super) async fn write(connection: &mut PgConnection, rows: &[CarriedRow]) -> Result<(), DatabaseError> {
    if rows.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = rows.iter().map(|row| row.run.uuid()).collect();
    let stages: Vec<i16> = rows.iter().map(|row| stage_number(row.stage)).collect();
    let from: Vec<i16> = rows.iter().map(|row| stage_number(row.from)).collect();
    let kinds: Vec<String> = rows.iter().map(|row| row.kind.clone()).collect();
    let outputs: Vec<Option<Value>> = rows.iter().map(|row| row.output.clone()).collect();
    let timeouts: Vec<i32> = rows.iter().map(|row| row.timeout_ms).collect();
    let attempts: Vec<i16> = rows.iter().map(|row| row.max_attempts).collect();
    sqlx::query_file!(
        "src/queue/carried.sql",
        &runs,
        &stages,
        &from,
        &kinds,
        &outputs as &[Option<Value>],
        &timeouts,
        &attempts,
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{CHAT, EMAIL, enrich, transform, work};
    use crate::run::Lane;

    static DIAMOND: Pipeline = Pipeline::new(
        "diamond",
        1,
        Lane::Standard,
        &[
            enrich("a"),
            enrich("b").needs(&["a"]),
            enrich("c").needs(&["a"]),
            transform("d").needs(&["b", "c"]),
            work("e").needs(&["d"]),
        ],
    );

    fn chain(pipeline: &Pipeline, stage: &str) -> Vec<&'static str> {
        let stage = pipeline.stage(stage).unwrap();
        let (known, mut fresh) = (before(pipeline, stage), 1 << stage);
        let mut names = Vec::new();
        while let Some(n) = next(pipeline, known, fresh) {
            names.push(pipeline.stages[n].name);
            fresh |= 1 << n;
        }
        names
    }

    #[test]
    fn what_follows_the_model_is_carried_and_the_model_never() {
        for pipeline in [&CHAT, &EMAIL] {
            assert_eq!(chain(pipeline, "llm"), ["output_guard", "persist"], "{}", pipeline.name);
            assert_eq!(chain(pipeline, "input_guard"), [""; 0], "its siblings' ends are not known here");
            assert_eq!(chain(pipeline, "persist"), [""; 0]);
        }
    }

    #[test]
    fn branches_are_carried_as_far_as_one_worker_knows_all_that_they_need() {
        assert_eq!(chain(&DIAMOND, "a"), ["b", "c"]);
        assert_eq!(chain(&DIAMOND, "b"), [""; 0], "c may be elsewhere");
        assert_eq!(chain(&DIAMOND, "d"), ["e"]);
    }
}
