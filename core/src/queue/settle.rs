//! Settle: everything that a worker reports ends here, in groups (`protocol.md` 5).
//!
//! This file sorts results into transactions, locks, fences, and dispatches; what each end means is in the file
//! of its transition. Two kinds of transaction: *plain* results have no effects and don't end their run, and go
//! together whatever their organisation; *closing* ones go together within one organisation, or alone with their
//! session.

mod fence;
mod group;
mod lock;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use self::group::{Bundle, Class, Item, Part};
pub(super) use self::lock::{LockedRun, lock_free_runs, lock_run};
use self::lock::{lock_runs, lock_session};
use super::finish::{self, EndedRun};
use super::journal::{self, StreamEvent, WideEvent};
use super::{ClaimedStep, End, Pauses, Settlement, Wakes, cancel, carry, complete, defer, fail};
use crate::database::{Database, OrgTx, Tx};
use crate::dead_letter::Automatic;
use crate::error::{DatabaseError, ErrorCode, Failure};
use crate::id::{LeaseToken, WorkerId};
use crate::run::RunStatus;
use crate::stream::seq;

/// A transaction that takes longer has no answer: its connection hangs. It may or may not have landed.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who settles, and what it may hand on.
#[derive(Debug, Clone)]
pub struct SettleOptions {
    /// The worker.
    pub worker: WorkerId,
    /// How long an attempt at a stage may take, where the graph doesn't say.
    pub stage_timeout_ms: i32,
    /// Whether a successor may be handed to this worker at once: it has the settled step's slot and isn't draining.
    pub hand_over: bool,
    /// What stands still: no successor of it is handed over.
    pub pauses: Arc<Pauses>,
    /// What is redriven by itself when it has failed.
    pub automatic: Automatic,
}

/// What became of a result.
#[derive(Debug)]
pub enum Settled {
    /// It stands. A successor may have been handed over, under the same slot.
    Landed {
        /// The successor.
        next: Option<Box<ClaimedStep>>,
    },
    /// It stands since before: the answer to an earlier COMMIT was lost. What was handed over in it runs under
    /// this token: see [`super::claim::adopt`].
    LandedBefore {
        /// The token that a successor would have.
        hand_over: LeaseToken,
    },
    /// The step was no longer this worker's: nothing was written.
    Fenced,
    /// Its run's row was locked by somebody else: to be put in the next group.
    Later(Box<Settlement>),
    /// The database could not be asked: to be tried again, for ever. It may or may not have landed.
    Failed(Box<Settlement>, Arc<DatabaseError>),
}

/// What became of a group.
#[derive(Debug, Default)]
pub struct Report {
    /// One for each settlement, in their order.
    pub settled: Vec<Settled>,
    /// Whom to wake.
    pub wakes: Wakes,
}

/// One transaction's state: what it has locked, and what it will write at its end.
pub(super) struct Work {
    pub(super) options: SettleOptions,
    pub(super) stream: Vec<StreamEvent>,
    pub(super) wide: Vec<WideEvent>,
    pub(super) carried: Vec<carry::CarriedRow>,
    pub(super) successors: Vec<complete::Successor>,
    pub(super) progress: Vec<complete::Progress>,
    pub(super) ended: Vec<EndedRun>,
    /// Runs with a letter that was written or added to.
    pub(super) died: Vec<Uuid>,
    pub(super) wakes: Wakes,
}

/// An end that the fence let through.
pub(super) struct Landed<'s> {
    pub(super) index: usize,
    pub(super) settlement: &'s Settlement,
    pub(super) row: fence::Row,
}

/// Settles a group. Never fails as a whole: each result says what became of it.
pub async fn settle(db: &Database, options: &SettleOptions, group: Vec<Settlement>) -> Report {
    let count = group.len();
    let parts = join_all(group::partition(group).into_iter().map(|part| together(db, options, part))).await;
    let mut report = Report::default();
    let mut settled: Vec<(usize, Settled)> = Vec::with_capacity(count);
    for (results, wakes) in parts {
        settled.extend(results);
        report.wakes.merge(wakes);
    }
    settled.sort_by_key(|(index, _)| *index);
    report.settled = settled.into_iter().map(|(_, settled)| settled).collect();
    report
}

/// One transaction; a refused value sends its results one by one, and one that is refused alone fails its step.
fn together<'a>(
    db: &'a Database,
    options: &'a SettleOptions,
    (class, bundles): Part,
) -> BoxFuture<'a, (Vec<(usize, Settled)>, Wakes)> {
    Box::pin(async move {
        let done = timeout(PATIENCE, transact(db, options, &class, &bundles)).await;
        match done.unwrap_or(Err(DatabaseError::Interrupted)) {
            Ok((mut results, wakes)) => (group::items(bundles).map(|item| item.settled(&mut results)).collect(), wakes),
            Err(error) if error.is_rejected() => {
                let mut all = (Vec::new(), Wakes::default());
                for single in group::singly(bundles, &error) {
                    let (results, wakes) = match single {
                        Ok(part) => together(db, options, part).await,
                        Err(item) => (vec![(*item).failed(&Arc::new(rejected()))], Wakes::default()),
                    };
                    all.0.extend(results);
                    all.1.merge(wakes);
                }
                all
            }
            Err(error) => {
                let error = Arc::new(error);
                (group::items(bundles).map(|item| item.failed(&error)).collect(), Wakes::default())
            }
        }
    })
}

fn rejected() -> DatabaseError {
    DatabaseError::Unknown("a refused result was refused again when it was reported as a failure".to_owned())
}

/// What a step whose result was refused ends with.
fn settle_rejected(error: &DatabaseError) -> Failure {
    let state = error.sqlstate().unwrap_or_else(|| "json".to_owned());
    Failure::new(ErrorCode::SettleRejected, format!("the database refused the stage's result ({state})"))
}

type Results = HashMap<usize, Found>;

/// What the transaction found of one result.
enum Found {
    Landed(Option<Box<ClaimedStep>>),
    LandedBefore,
    Fenced,
    Locked,
}

async fn transact(
    db: &Database,
    options: &SettleOptions,
    class: &Class,
    bundles: &[Bundle],
) -> Result<(Results, Wakes), DatabaseError> {
    let mut tx = match class.org() {
        Some(org) => db.begin_in(org).await?,
        None => db.begin().await?,
    };
    if let Class::Session { session, .. } = class {
        lock_session(&mut tx, *session).await?;
    }
    let mut runs = lock_runs(&mut tx, bundles, class.waits()).await?;
    let mut results = Results::new();
    let (rows, missed) = fence::apply(&mut tx, bundles, &runs).await?;
    results.extend(fence::explain(&mut tx, bundles, &runs, &missed).await?);

    let mut work = Work::new(options.clone());
    let mut landed = fence::landed(bundles, &rows);
    for bundle in bundles {
        let (Some(run), Some(ends)) = (runs.get_mut(&bundle.run), landed.remove(&bundle.run)) else { continue };
        let taken = carry::taken(run, &ends);
        if let Some(org) = class.org() {
            let mut org = tx.entered(org);
            apply_effects(&mut org, run, &ends).await?;
            for (carried, ..) in &taken {
                if let Some(effects) = &carried.effects {
                    effects.apply(&mut org).await?;
                }
            }
            org.into_submitted().into_iter().for_each(|lane| work.wakes.lane(lane));
        }
        settle_run(&mut tx, &mut work, run, (&ends, &taken)).await?;
        results.extend(ends.iter().map(|end| (end.index, Found::Landed(None))));
    }
    let next = work.write(&mut tx).await?;
    results.extend(next.into_iter().map(|(index, step)| (index, Found::Landed(Some(Box::new(step))))));
    let wakes = work.wakes;
    tx.commit().await?;
    Ok((results, wakes))
}

/// Decides what the ends of one run mean: ok and skip first, then retry, then fail; a cancel wins.
async fn settle_run(
    tx: &mut Tx,
    work: &mut Work,
    run: &mut LockedRun,
    (ends, taken): (&[Landed<'_>], &[carry::Taken<'_>]),
) -> Result<(), DatabaseError> {
    for end in ends {
        work.wide.push(journal::stage_wide(
            &end.settlement.step,
            work.options.worker,
            &end.settlement.end,
            end.row.now,
        ));
    }
    if run.status == RunStatus::Failed {
        complete::checkpoint(work, run, (ends, &[]), true);
        return fail::append(tx, work, run, ends).await;
    }
    complete::restore_stream(tx, work, run, ends).await?;
    complete::take_back(work, run, ends);
    complete::withdraw(work, run, ends);
    defer::journal(work, run, ends);
    carry::journal(work, run, taken);
    if let Some(end) = ends.iter().find(|end| matches!(end.settlement.end, End::Cancel { .. })) {
        complete::mark_done(run, ends);
        cancel::by_stage(work, run, end);
    } else if ends.iter().any(|end| matches!(end.settlement.end, End::Fail(_))) {
        complete::checkpoint(work, run, (ends, &[]), true);
        fail::fail(tx, work, run, ends).await?;
    } else {
        complete::checkpoint(work, run, (ends, taken), false);
    }
    Ok(())
}

async fn apply_effects(tx: &mut OrgTx<'_>, run: &LockedRun, ends: &[Landed<'_>]) -> Result<(), DatabaseError> {
    for end in ends {
        // A guard's cancel is not carried out in a failed run: a redrive asks it again.
        let carried_out = match end.settlement.end {
            End::Ok(_) | End::Skip { .. } => true,
            End::Cancel { .. } => run.status != RunStatus::Failed,
            _ => false,
        };
        if let (true, Some(effects)) = (carried_out, &end.settlement.effects) {
            effects.apply(tx).await?;
        }
    }
    Ok(())
}

impl Work {
    fn new(options: SettleOptions) -> Self {
        Self {
            options,
            stream: Vec::new(),
            wide: Vec::new(),
            carried: Vec::new(),
            successors: Vec::new(),
            progress: Vec::new(),
            ended: Vec::new(),
            died: Vec::new(),
            wakes: Wakes::default(),
        }
    }

    /// Adds lifecycle events of a run under a major of their own. A run that doesn't stream has none.
    pub(super) fn lifecycle(&mut self, run: &mut LockedRun, events: Vec<(&'static str, serde_json::Value)>) {
        if events.is_empty() || !run.stream {
            return;
        }
        run.major += 1;
        for (minor, (event, data)) in (0..).zip(events) {
            self.stream.push(StreamEvent::new(run.id, run.org_id, seq(run.major, minor), event, data));
        }
        self.wakes.stream(run.id);
    }

    /// Writes all that the ends of the runs asked for, set by set.
    async fn write(&mut self, tx: &mut Tx) -> Result<Vec<(usize, ClaimedStep)>, DatabaseError> {
        complete::write_progress(tx.connection(), &self.progress).await?;
        carry::write(tx.connection(), &self.carried).await?;
        let next = complete::write_successors(tx.connection(), &self.options, &self.successors).await?;
        journal::write_stream(tx.connection(), &self.stream).await?;
        journal::write_wide(tx.connection(), &self.wide).await?;
        fail::record_attempts(tx, &self.died).await?;
        finish::finish(tx, &self.ended, &mut self.wakes).await?;
        Ok(next)
    }
}

impl Item {
    fn settled(self, results: &mut Results) -> (usize, Settled) {
        let mut settlement = self.settlement;
        let settled = match results.remove(&self.index) {
            Some(Found::Landed(next)) => Settled::Landed { next },
            Some(Found::LandedBefore) => Settled::LandedBefore { hand_over: settlement.hand_over },
            Some(Found::Fenced) => Settled::Fenced,
            Some(Found::Locked) | None => {
                settlement.skipped = settlement.skipped.saturating_add(1);
                Settled::Later(Box::new(settlement))
            }
        };
        (self.index, settled)
    }

    fn failed(self, error: &Arc<DatabaseError>) -> (usize, Settled) {
        (self.index, Settled::Failed(Box::new(self.settlement), Arc::clone(error)))
    }
}
