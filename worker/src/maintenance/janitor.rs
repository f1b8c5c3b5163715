//! One worker at a time: steps that hang, and what is old.

use std::collections::BTreeSet;

use hellosales_core::breaker;
use hellosales_core::queue::reap::{self, Overdue};
use hellosales_core::queue::{lease, pause};
use hellosales_core::retention::{self, Prunable, RowId};
use hellosales_core::{DatabaseError, RunId, WorkerId};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};

use super::{Maintenance, PATIENCE};

/// The duty is held this long, and renewed in half the time.
const HOLD_MS: i64 = 2_000;
const RENEW: Duration = Duration::from_secs(1);
const OVERDUE: Duration = Duration::from_secs(5);
const PRUNE: Duration = Duration::from_secs(60);
/// A round of pruning ends after this long; the next tick goes on.
const ROUND: Duration = Duration::from_millis(500);

/// Where a round of pruning goes on: at which kind, and at which row of it.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    kind: usize,
    row: Option<RowId>,
}

impl Maintenance {
    /// Clears away, as long as nobody else does.
    pub(crate) async fn clean(self) {
        let mut ticks = interval(RENEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut overdue, mut forgotten, mut prune) = (Instant::now(), Instant::now(), Instant::now());
        let (mut at, mut held) = (Place::default(), None);
        loop {
            let now = ticks.tick().await;
            if !self.is_janitor().await {
                continue;
            }
            if now >= overdue {
                overdue = now + OVERDUE;
                self.within(self.take_overdue()).await;
                self.within(self.redrive_due()).await;
            }
            // What a pause held goes on within a second of its end.
            held = self.within(self.free(held)).await.flatten();
            if now >= forgotten {
                forgotten = now + PRUNE;
                self.within(self.close_forgotten()).await;
            }
            if now >= prune {
                match self.within(self.prune(at)).await {
                    Some(Some(place)) => at = place,
                    Some(None) => (prune, at) = (now + PRUNE, Place::default()),
                    // What fails is not tried for ever: the other kinds have their turn.
                    None => at = Place { kind: at.kind + 1, row: None },
                }
            }
        }
    }

    async fn is_janitor(&self) -> bool {
        let held = lease::hold_duty(self.database.fast(), "janitor", self.worker, HOLD_MS);
        matches!(timeout(PATIENCE, held).await, Ok(Ok(true)))
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, DatabaseError>>) -> Option<T> {
        match timeout(PATIENCE, work).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => {
                tracing::warn!(worker_id = %self.worker, %error, "the janitor could not clean");
                None
            }
            Err(_) => {
                tracing::warn!(worker_id = %self.worker, "the janitor had no answer");
                None
            }
        }
    }

    /// Steps that are held by a pause which is over. Returns where the next round goes on.
    async fn free(&self, mut from: Option<RunId>) -> Result<Option<RunId>, DatabaseError> {
        let started = Instant::now();
        pause::expire(&self.database).await?;
        loop {
            let freed = pause::free(&self.database, from).await?;
            self.notifier.send(freed.wakes);
            from = freed.next;
            if from.is_none() || started.elapsed() > ROUND {
                return Ok(from);
            }
        }
    }

    /// Steps past `must_end_by`, of workers that have beaten without a break: their stage hangs.
    async fn take_overdue(&self) -> Result<(), DatabaseError> {
        let overdue = reap::overdue(&self.database, self.lease_ms()).await?;
        let now = Instant::now();
        let hanging: Vec<Overdue> = {
            let sightings = self.sightings();
            overdue.into_iter().filter(|step| sightings.has_beaten_unbroken(now, step.worker)).collect()
        };
        let workers: BTreeSet<WorkerId> = hanging.iter().map(|step| step.worker).collect();
        for step in hanging {
            tracing::warn!(worker_id = %self.worker, owner = %step.worker, run_id = %step.run_id, stage = step.stage, "a stage hangs, and is taken from its worker");
            let reaped = reap::reap_overdue(&self.database, step).await?;
            self.taken(reaped).await;
        }
        for worker in workers {
            let doomed = reap::doomed(&self.database, worker).await?;
            // Those whose time is not over stay.
            let _stayed = self.doom(doomed).await?;
        }
        Ok(())
    }

    /// Prunes kind after kind until the round's time is over. Returns where the next round goes on; `None`: all is done.
    async fn prune(&self, mut at: Place) -> Result<Option<Place>, DatabaseError> {
        let started = Instant::now();
        while let Some(&what) = Prunable::ALL.get(at.kind) {
            let pruned = retention::prune(&self.database, &self.environment.config.retention, what, at.row).await?;
            if pruned.gone > 0 {
                tracing::info!(worker_id = %self.worker, table = what.as_str(), gone = pruned.gone, "what is old is gone");
            }
            at = match pruned.next {
                Some(row) => Place { row: Some(row), ..at },
                None => Place { kind: at.kind + 1, row: None },
            };
            if started.elapsed() > ROUND {
                return Ok(Some(at));
            }
        }
        match retention::make_months(&self.database).await {
            Ok(0) => {}
            Ok(made) => tracing::info!(worker_id = %self.worker, made, "months to come have their partitions"),
            Err(error) => tracing::warn!(worker_id = %self.worker, %error, "a month's partition could not be made"),
        }
        while breaker::prune(&self.database).await? {
            if started.elapsed() > ROUND {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}
