//! Every second: who is dead, and what it had.

use hellosales_core::queue::lease::Owned;
use hellosales_core::queue::reap::{self, Doomed, Reaped};
use hellosales_core::{DatabaseError, WorkerId, metrics};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};

use super::{Maintenance, PATIENCE};

const LOOK: Duration = Duration::from_secs(1);

impl Maintenance {
    /// Takes steps from dead workers.
    pub(crate) async fn reap(self) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let found = timeout(PATIENCE, reap::expired(&self.database, self.lease_ms())).await;
            let Ok(Ok(expired)) = found else {
                self.sightings().failed();
                continue;
            };
            let dead = self.sightings().look(Instant::now(), &expired);
            // Whoever looks lives: its own beat is on its way.
            for worker in dead.into_iter().filter(|&worker| worker != self.worker) {
                let taken = timeout(PATIENCE, self.bury(worker)).await;
                if !matches!(taken, Ok(Ok(false))) {
                    self.sightings().again(worker);
                }
                if let Ok(Err(error)) = taken {
                    tracing::warn!(worker_id = %self.worker, dead = %worker, %error, "a dead worker's steps could not be taken");
                }
            }
        }
    }

    /// Takes a group of a dead worker's steps; returns whether there is more.
    async fn bury(&self, dead: WorkerId) -> Result<bool, DatabaseError> {
        let reaped = reap::reap(&self.database, dead).await?;
        let more = reaped.more;
        if !reaped.steps.is_empty() {
            tracing::warn!(worker_id = %self.worker, dead = %dead, steps = reaped.steps.len(), "steps were taken from a dead worker");
        }
        let _closed_with_its_other_calls = self.wake(reaped);
        let doomed = reap::doomed(&self.database, dead).await?;
        let left = self.doom(doomed).await?;
        let open = self.environment.llm.close_left_by(&self.database, dead).await?;
        Ok(more || left || open)
    }

    /// Wakes whoever may claim what was taken, and closes its calls.
    pub(super) async fn taken(&self, reaped: Reaped) {
        let steps = self.wake(reaped);
        self.close_orphans(steps).await;
    }

    fn wake(&self, reaped: Reaped) -> Vec<Owned> {
        metrics::REAPED.add(u64::try_from(reaped.steps.len()).unwrap_or(0));
        self.notifier.send(reaped.wakes);
        reaped.steps
    }

    /// Fails, each alone, the steps that have taken three workers with them. Returns whether one of them stayed.
    pub(super) async fn doom(&self, doomed: Vec<Doomed>) -> Result<bool, DatabaseError> {
        let mut stayed = false;
        for step in doomed {
            let (dead, wakes) = reap::doom(&self.database, step, &self.automatic).await?;
            self.notifier.send(wakes);
            if dead {
                metrics::REAPED.add(1);
                tracing::warn!(worker_id = %self.worker, run_id = %step.run_id, org_id = %step.org_id, stage = step.stage, "a step has lost three workers, and is dead");
                self.close_orphans(vec![Owned { run_id: step.run_id, stage: step.stage, token: step.token }]).await;
            }
            stayed |= !dead;
        }
        Ok(stayed)
    }
}
