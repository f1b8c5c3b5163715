//! The fence: a step's row is written only where its `lease_token` still matches and it is `running`.
//! Matched by run, stage and token, since a worker may hold an old end of a step beside its own newer claim.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::group::{Bundle, Item};
use super::{Found, Landed, LockedRun};
use crate::database::Tx;
use crate::error::{DatabaseError, Failure};
use crate::id::RunId;
use crate::queue::submit::stage_number;
use crate::queue::{End, Settlement, backoff};
use crate::run::RunStatus;
use crate::step::{HeldBy, MAX_CRASHES, StepStatus};

/// What the database says of a row that was let through.
#[derive(Debug, Clone, Copy)]
pub(in crate::queue) struct Row {
    pub(in crate::queue) available_at: Option<DateTime<Utc>>,
    pub(in crate::queue) now: DateTime<Utc>,
}

type Key = (Uuid, i16, Uuid);

/// What a step's row becomes, column by column.
#[derive(Default)]
struct Columns {
    run_id: Vec<Uuid>,
    stage: Vec<i16>,
    token: Vec<Uuid>,
    status: Vec<String>,
    held_by: Vec<Option<String>>,
    output: Vec<Option<Value>>,
    error: Vec<Option<Value>>,
    failed: Vec<i16>,
    snoozed: Vec<i32>,
    delay_ms: Vec<Option<i64>>,
    delay_reason: Vec<Option<String>>,
    delay_detail: Vec<Option<String>>,
}

impl Columns {
    fn push(&mut self, settlement: &Settlement, run: RunStatus, ends_run: bool) -> Result<(), DatabaseError> {
        let step = &settlement.step;
        let mut write = Write::of(&settlement.end, run, step.failures)?;
        if ends_run {
            write.output = None;
        }
        self.run_id.push(step.run.id.uuid());
        self.stage.push(stage_number(step.stage));
        self.token.push(step.token.uuid());
        self.status.push(write.status.as_str().to_owned());
        self.held_by.push(write.held_by.map(|held| held.as_str().to_owned()));
        self.output.push(write.output);
        self.error.push(write.error.map(serde_json::to_value).transpose()?);
        self.failed.push(i16::from(write.counted));
        self.snoozed.push(i32::from(write.snoozed));
        self.delay_ms.push(write.delay_ms);
        self.delay_reason.push(write.delay_reason.map(str::to_owned));
        self.delay_detail.push(write.delay_detail);
        Ok(())
    }
}

struct Write {
    status: StepStatus,
    held_by: Option<HeldBy>,
    output: Option<Value>,
    error: Option<Failure>,
    counted: bool,
    snoozed: bool,
    delay_ms: Option<i64>,
    delay_reason: Option<&'static str>,
    delay_detail: Option<String>,
}

impl Write {
    fn to(status: StepStatus) -> Self {
        Self {
            status,
            held_by: None,
            output: None,
            error: None,
            counted: false,
            snoozed: false,
            delay_ms: None,
            delay_reason: None,
            delay_detail: None,
        }
    }

    /// The row after this end. In a failed run ok and skip are checkpointed and a death counts; all else is held
    /// for the redrive, with nothing counted.
    fn of(end: &End, run: RunStatus, failures: i16) -> Result<Self, DatabaseError> {
        let waits = run == RunStatus::Failed;
        Ok(match end {
            End::Ok(output) => Self { output: Some(output.clone()), ..Self::to(StepStatus::Completed) },
            End::Skip { .. } => Self::to(StepStatus::Skipped),
            End::Fail(failure) => Self { error: Some(failure.clone()), counted: true, ..Self::to(StepStatus::Dead) },
            _ if waits => Self { held_by: Some(HeldBy::Failed), ..Self::to(StepStatus::Held) },
            End::Retry { failure, retry_after } => Self {
                error: Some(failure.clone()),
                counted: true,
                delay_ms: Some(whole_ms(backoff::draw(failures + 1, *retry_after))),
                delay_reason: Some("backoff"),
                delay_detail: Some(failure.message.clone()),
                ..Self::to(StepStatus::Delayed)
            },
            End::Snooze { delay, reason, detail } => Self {
                snoozed: true,
                delay_ms: Some(whole_ms(*delay)),
                delay_reason: Some(reason.as_str()),
                delay_detail: Some(detail.replace('\u{0}', "\u{fffd}")),
                ..Self::to(StepStatus::Delayed)
            },
            // Folded as `cancel` and deleted with its run in this transaction.
            End::Cancel { .. } => Self::to(StepStatus::Skipped),
            End::GiveBack => Self::to(StepStatus::Ready),
        })
    }
}

fn whole_ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Writes the steps' rows. Returns what was let through, and what was not.
pub(super) async fn apply(
    tx: &mut Tx,
    bundles: &[Bundle],
    runs: &HashMap<RunId, LockedRun>,
) -> Result<(HashMap<Key, Row>, Vec<Key>), DatabaseError> {
    let mut columns = Columns::default();
    for bundle in bundles {
        let Some(run) = runs.get(&bundle.run) else { continue };
        for item in &bundle.items {
            columns.push(&item.settlement, run.status, ends_run(bundle, run))?;
        }
    }
    if columns.run_id.is_empty() {
        return Ok((HashMap::new(), Vec::new()));
    }
    let rows = sqlx::query_file!(
        "src/queue/settle/fence.sql",
        &columns.run_id,
        &columns.stage,
        &columns.token,
        &columns.status,
        &columns.held_by as &[Option<String>],
        &columns.output as &[Option<Value>],
        &columns.error as &[Option<Value>],
        &columns.failed,
        &columns.snoozed,
        &columns.delay_ms as &[Option<i64>],
        &columns.delay_reason as &[Option<String>],
        &columns.delay_detail as &[Option<String>],
    )
    .fetch_all(tx.connection())
    .await?;
    let passed: HashMap<Key, Row> = rows
        .into_iter()
        .map(|row| ((row.run_id, row.stage, row.lease_token), Row { available_at: row.available_at, now: row.now }))
        .collect();
    let asked = columns
        .run_id
        .iter()
        .zip(&columns.stage)
        .zip(&columns.token)
        .map(|((run, stage), token)| (*run, *stage, *token));
    let missed = asked.filter(|key| !passed.contains_key(key)).collect();
    Ok((passed, missed))
}

/// Whether a run is completed by its only settlement, if the fence lets that through: then its steps are deleted in this
/// transaction, and nobody reads what this one would have been.
fn ends_run(bundle: &Bundle, run: &LockedRun) -> bool {
    let [Item { settlement, .. }] = bundle.items.as_slice() else { return false };
    let carried = settlement.carried.iter().fold(0_u64, |bits, carried| bits | 1 << carried.step.stage);
    let done = run.done | 1 << settlement.step.stage | carried;
    let succeeds = matches!(settlement.end, End::Ok(_) | End::Skip { .. });
    succeeds && run.status != RunStatus::Failed && carried & run.made == 0 && done == settlement.step.pipeline.all()
}

/// Tells apart, among what the fence stopped, the results that landed before (the answer to COMMIT was lost) from
/// those whose step is no longer ours; and marks those whose run was locked.
pub(super) async fn explain(
    tx: &mut Tx,
    bundles: &[Bundle],
    runs: &HashMap<RunId, LockedRun>,
    missed: &[Key],
) -> Result<HashMap<usize, Found>, DatabaseError> {
    let mut found = HashMap::new();
    let exists: Vec<Uuid> = if missed.is_empty() && runs.len() == bundles.len() {
        Vec::new()
    } else {
        let all: Vec<Uuid> = bundles.iter().map(|bundle| bundle.run.uuid()).collect();
        sqlx::query_scalar!("SELECT id FROM pipeline_runs WHERE id = ANY($1)", &all).fetch_all(tx.connection()).await?
    };
    let (steps, runs_ended) = read_landed(tx, missed).await?;
    for (run, item) in bundles.iter().flat_map(|bundle| bundle.items.iter().map(move |item| (bundle.run, item))) {
        let answer = if !runs.contains_key(&run) {
            // A run that is locked is there; one that was pruned takes no result any more.
            if exists.contains(&run.uuid()) { Found::Locked } else { Found::Fenced }
        } else if !missed.contains(&key(item)) {
            continue;
        } else if steps.contains(&key(item)) || runs_ended.contains(&(run.uuid(), item.settlement.step.token.uuid())) {
            Found::LandedBefore
        } else {
            Found::Fenced
        };
        found.insert(item.index, answer);
    }
    Ok(found)
}

/// Of what was stopped: the steps that carry their token still and aren't running, and the runs that ended by a
/// token. A claim's steps share a token, so a step is known by its run and stage besides.
async fn read_landed(tx: &mut Tx, missed: &[Key]) -> Result<(HashSet<Key>, HashSet<(Uuid, Uuid)>), DatabaseError> {
    if missed.is_empty() {
        return Ok((HashSet::new(), HashSet::new()));
    }
    let ids: Vec<Uuid> = missed.iter().map(|key| key.0).collect();
    let steps = sqlx::query!(
        r#"SELECT run_id, stage, lease_token AS "token!" FROM pipeline_steps
           WHERE run_id = ANY($1) AND lease_token IS NOT NULL AND status <> 'running'"#,
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    let runs = sqlx::query!(
        r#"SELECT id, end_token AS "token!" FROM pipeline_runs WHERE id = ANY($1) AND end_token IS NOT NULL"#,
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    let steps = steps.into_iter().map(|row| (row.run_id, row.stage, row.token)).collect();
    Ok((steps, runs.into_iter().map(|row| (row.id, row.token)).collect()))
}

fn key(item: &Item) -> Key {
    let step = &item.settlement.step;
    (step.run.id.uuid(), stage_number(step.stage), step.token.uuid())
}

/// The results that were let through, by run, in the order of precedence.
pub(super) fn landed<'s>(bundles: &'s [Bundle], rows: &HashMap<Key, Row>) -> BTreeMap<RunId, Vec<Landed<'s>>> {
    let mut landed: BTreeMap<RunId, Vec<Landed<'s>>> = BTreeMap::new();
    for item in bundles.iter().flat_map(|bundle| &bundle.items) {
        if let Some(&row) = rows.get(&key(item)) {
            let end = Landed { index: item.index, settlement: &item.settlement, row };
            landed.entry(item.settlement.step.run.id).or_default().push(end);
        }
    }
    landed
}

const _: () = assert!(MAX_CRASHES == 3, "the CHECK on pipeline_steps says so too");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_failed_run_a_retry_is_held_and_nothing_is_counted() {
        let failure = Failure::new(crate::ErrorCode::StageFailed, "no");
        let retry = End::Retry { failure, retry_after: None };
        let write = Write::of(&retry, RunStatus::Failed, 0).unwrap();
        assert_eq!((write.status, write.held_by, write.counted), (StepStatus::Held, Some(HeldBy::Failed), false));
        let write = Write::of(&retry, RunStatus::Running, 0).unwrap();
        assert_eq!((write.status, write.held_by, write.counted), (StepStatus::Delayed, None, true));
    }

    #[test]
    fn in_a_failed_run_a_finished_stage_is_checkpointed() {
        let write = Write::of(&End::Ok(Value::from(1)), RunStatus::Failed, 0).unwrap();
        assert_eq!((write.status, write.output), (StepStatus::Completed, Some(Value::from(1))));
    }
}
