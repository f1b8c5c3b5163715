//! The settler: group commit of results. No timer: a group is what arrived while the groups before it committed.
//!
//! A worker never drops a result that it may still own: what could not be settled is tried again for ever, and the
//! token decides.

pub(crate) mod backlog;
mod companions;

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use hellosales_core::dead_letter::Automatic;
use hellosales_core::notify::Notifier;
use hellosales_core::queue::settle::{SettleOptions, Settled, settle};
use hellosales_core::queue::{ClaimedStep, End, Pauses, Settlement};
use hellosales_core::{Database, LeaseToken, WorkerId, metrics};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use backlog::{Backlog, MAX_GROUP};
pub use companions::Companions;

/// So many groups may commit at a time.
const GROUPS: usize = 4;

/// What became of a result, for the job that waits with its slot.
#[derive(Debug)]
pub enum Answer {
    /// It stands, and may have brought the next step.
    Landed(Option<Box<ClaimedStep>>),
    /// It stands since before; what was handed over then runs under this token.
    LandedBefore(LeaseToken),
    /// It was no longer ours.
    Fenced,
}

#[derive(Debug)]
struct Waiting {
    settlement: Settlement,
    answer: oneshot::Sender<Answer>,
    /// How often the run's row was locked by another.
    laters: u32,
    /// How often the database did not answer.
    failures: u32,
}

/// Where results are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settler {
    inbox: mpsc::Sender<Vec<Waiting>>,
}

/// The task behind it.
#[derive(Debug)]
pub(crate) struct Desk {
    inbox: mpsc::Receiver<Vec<Waiting>>,
    database: Database,
    worker: WorkerId,
    stage_timeout_ms: i32,
    automatic: Automatic,
    notifier: Notifier,
    draining: CancellationToken,
    pauses: watch::Receiver<Arc<Pauses>>,
}

/// What a desk works with.
#[derive(Debug)]
pub(crate) struct DeskParts {
    pub(crate) database: Database,
    pub(crate) worker: WorkerId,
    pub(crate) stage_timeout_ms: i32,
    pub(crate) automatic: Automatic,
    pub(crate) notifier: Notifier,
    pub(crate) draining: CancellationToken,
    /// What stands still, as it was last read.
    pub(crate) pauses: watch::Receiver<Arc<Pauses>>,
}

impl Settler {
    pub(crate) fn new(parts: DeskParts) -> (Self, Desk) {
        let (sender, inbox) = mpsc::channel(MAX_GROUP);
        let DeskParts { database, worker, stage_timeout_ms, automatic, notifier, draining, pauses } = parts;
        let desk = Desk { inbox, database, worker, stage_timeout_ms, automatic, notifier, draining, pauses };
        (Self { inbox: sender }, desk)
    }

    /// Hands in a result and waits until it is settled, however long that takes. `None`: the worker is gone.
    pub async fn settle(&self, settlement: Settlement) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        self.inbox.send(vec![Waiting { settlement, answer, laters: 0, failures: 0 }]).await.ok()?;
        answered.await.ok()
    }

    /// Likewise, together with the results of its companions.
    pub async fn settle_with(&self, companions: &Companions, settlement: Settlement) -> Option<Answer> {
        let (answer, mut answered) = oneshot::channel();
        let all = companions.arrive(Waiting { settlement, answer, laters: 0, failures: 0 });
        if !all.is_empty() {
            self.inbox.send(all).await.ok()?;
        } else if let Ok(answer) = timeout(companions::PATIENCE, &mut answered).await {
            return answer.ok();
        } else {
            let so_far = companions.go();
            if !so_far.is_empty() {
                self.inbox.send(so_far).await.ok()?;
            }
        }
        answered.await.ok()
    }
}

impl Desk {
    pub(crate) async fn run(mut self) {
        let mut backlog = Backlog::default();
        let mut groups = FuturesUnordered::new();
        let mut open = true;
        while open || !backlog.is_empty() || !groups.is_empty() {
            while groups.len() < GROUPS
                && let Some(group) = backlog.next(Instant::now())
            {
                groups.push(commit(&self.database, &self.notifier, self.options(), group));
            }
            let due = backlog.due().filter(|_| groups.len() < GROUPS);
            tokio::select! {
                got = self.inbox.recv(), if open && backlog.has_room() => match got {
                    Some(together) => {
                        together.into_iter().for_each(|waiting| backlog.push(waiting));
                        while backlog.has_room() && let Ok(more) = self.inbox.try_recv() {
                            more.into_iter().for_each(|waiting| backlog.push(waiting));
                        }
                    }
                    None => open = false,
                },
                Some(again) = groups.next(), if !groups.is_empty() => backlog.again(again, Instant::now()),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn options(&self) -> SettleOptions {
        SettleOptions {
            worker: self.worker,
            stage_timeout_ms: self.stage_timeout_ms,
            hand_over: !self.draining.is_cancelled(),
            pauses: Arc::clone(&self.pauses.borrow()),
            automatic: self.automatic,
        }
    }
}

/// Settles a group; returns what must be settled again.
async fn commit(db: &Database, notifier: &Notifier, options: SettleOptions, group: Vec<Waiting>) -> Vec<Waiting> {
    metrics::GROUPS.add(1);
    let mut settlements = Vec::with_capacity(group.len());
    let mut seats = Vec::with_capacity(group.len());
    for waiting in group {
        seats.push((counter(waiting.settlement.end()), waiting.answer, waiting.laters, waiting.failures));
        settlements.push(waiting.settlement);
    }
    let report = settle(db, &options, settlements).await;
    notifier.send(report.wakes);
    let mut again = Vec::new();
    for (settled, (counter, answer, laters, failures)) in report.settled.into_iter().zip(seats) {
        let said = match settled {
            Settled::Landed { next } => {
                counter.add(1);
                Answer::Landed(next)
            }
            Settled::LandedBefore { hand_over } => {
                counter.add(1);
                Answer::LandedBefore(hand_over)
            }
            Settled::Fenced => {
                metrics::FENCED.add(1);
                Answer::Fenced
            }
            Settled::Later(settlement) => {
                again.push(Waiting { settlement: *settlement, answer, laters: laters + 1, failures });
                continue;
            }
            Settled::Failed(settlement, error) => {
                metrics::UNANSWERED.add(1);
                tracing::warn!(run_id = %settlement.step().run().id, stage = settlement.step().shape().name, %error, "a result could not be settled, and is tried again");
                again.push(Waiting { settlement: *settlement, answer, laters, failures: failures + 1 });
                continue;
            }
        };
        // The job may have been stopped in the meantime: nobody waits for the answer then.
        let _nobody = answer.send(said);
    }
    again
}

const fn counter(end: &End) -> &'static metrics::Counter {
    match end {
        End::Ok(_) => &metrics::SETTLED_OK,
        End::Skip { .. } => &metrics::SETTLED_SKIP,
        End::Retry { .. } => &metrics::SETTLED_RETRY,
        End::Fail(_) => &metrics::SETTLED_FAIL,
        End::Snooze { .. } => &metrics::SETTLED_SNOOZE,
        End::Cancel { .. } => &metrics::SETTLED_CANCEL,
        End::GiveBack => &metrics::SETTLED_GIVE_BACK,
    }
}

impl backlog::Patience for Waiting {
    fn laters(&self) -> u32 {
        self.laters
    }

    fn failures(&self) -> u32 {
        self.failures
    }
}
