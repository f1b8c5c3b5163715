//! What stands still is known to the worker: it hands nothing of it over. What is ready of it is held by the claims.

use std::sync::Arc;

use hellosales_core::queue::Pauses;
use tokio::sync::watch;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use super::{Maintenance, PATIENCE};

/// Between two looks: a pause takes hold within a second.
const LOOK: Duration = Duration::from_millis(500);

impl Maintenance {
    /// Tells what stands still, as often as it is read. What can't be read is as it was.
    pub(crate) async fn heed(self, known: watch::Sender<Arc<Pauses>>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match timeout(PATIENCE, Pauses::read(&self.database)).await {
                Ok(Ok(pauses)) => drop(known.send_replace(Arc::new(pauses))),
                Ok(Err(error)) => tracing::warn!(worker_id = %self.worker, %error, "the pauses could not be read"),
                Err(_) => tracing::warn!(worker_id = %self.worker, "the pauses were not read in time"),
            }
        }
    }
}
