//! The lease: the beat that keeps it, and the look at what is still this worker's.

mod contact;
mod holdings;

use std::time::Duration;

use hellosales_core::notify::Notifier;
use hellosales_core::queue::lease::{self, Beat};
use hellosales_core::{Database, DatabaseError, WorkerId, metrics};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use contact::Contact;
pub use holdings::{Before, Holding, Holdings, Unanswered};

/// After a beat that failed, the next one comes this soon at the latest.
const RECONNECT: Duration = Duration::from_millis(500);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// A look that takes longer has failed.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// Keeps a worker's lease, on a connection of its own.
#[derive(Debug)]
pub(crate) struct Heart {
    pub(crate) database: Database,
    pub(crate) beat: Beat,
    pub(crate) contact: Contact,
    pub(crate) draining: CancellationToken,
    /// Told when it drains and nothing runs any more.
    pub(crate) drained: CancellationToken,
}

impl Heart {
    /// Beats every fifth of the lease, and at once when the worker begins to drain.
    pub(crate) async fn run(mut self) {
        let lease = Duration::from_millis(u64::try_from(self.beat.lease_ms).unwrap_or(0));
        let interval = lease / 5;
        let patience = interval.clamp(RECONNECT, Duration::from_secs(3));
        loop {
            let error = match timeout(patience, self.database.connection()).await {
                Ok(Ok(connection)) => self.beats(connection, interval, patience).await,
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            metrics::MISSED_BEATS.add(1);
            let error = error.map(tracing::field::display);
            tracing::warn!(worker_id = %self.beat.worker, error, "a beat was missed");
            sleep(interval.min(RECONNECT)).await;
        }
    }

    /// Beats on one connection until it fails.
    async fn beats(
        &mut self,
        mut connection: lease::BeatConnection,
        interval: Duration,
        patience: Duration,
    ) -> Option<DatabaseError> {
        loop {
            self.beat.draining = self.draining.is_cancelled();
            self.beat.drained = self.drained.is_cancelled();
            let sent = Instant::now();
            match timeout(patience, lease::beat(&mut connection, &self.beat)).await {
                Ok(Ok(is_to_drain)) => {
                    self.contact.beaten(sent);
                    if is_to_drain && !self.draining.is_cancelled() {
                        tracing::info!(worker_id = %self.beat.worker, "an operator drains this worker: it takes nothing more");
                        self.draining.cancel();
                    }
                }
                missed => return missed.ok().and_then(Result::err),
            }
            // Whichever comes first: the next beat says what holds then.
            match (self.beat.draining, self.beat.drained) {
                (false, _) => drop(timeout(interval, self.draining.cancelled()).await),
                (true, false) => drop(timeout(interval, self.drained.cancelled()).await),
                (true, true) => sleep(interval).await,
            }
        }
    }
}

/// Looks, once a second and when told to, at what the database says is this worker's.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) database: Database,
    pub(crate) worker: WorkerId,
    pub(crate) holdings: Holdings,
    pub(crate) notifier: Notifier,
    pub(crate) look: std::sync::Arc<Notify>,
}

impl Watch {
    pub(crate) async fn run(self) {
        loop {
            self.once().await;
            // Whichever comes first.
            let _told = timeout(LOOK, self.look.notified()).await;
        }
    }

    async fn once(&self) {
        let before = self.holdings.before();
        let found = timeout(LOOK_PATIENCE, lease::owned(self.database.fast(), self.worker)).await;
        let Ok(Ok(found)) = found else {
            self.holdings.looked_in_vain();
            return;
        };
        for step in self.holdings.compare(&before, &found) {
            tracing::info!(worker_id = %self.worker, run_id = %step.run_id, stage = step.stage, "a step that nobody here knows is given back");
            // What is not given back is found by the next looks: none of them waits for a connection that hangs.
            match timeout(LOOK_PATIENCE, lease::give_back(&self.database, self.worker, step)).await {
                Ok(Ok(wakes)) => self.notifier.send(wakes),
                Ok(Err(error)) => tracing::warn!(worker_id = %self.worker, %error, "a step could not be given back"),
                Err(_) => tracing::warn!(worker_id = %self.worker, "a step was given back without an answer"),
            }
        }
    }
}
