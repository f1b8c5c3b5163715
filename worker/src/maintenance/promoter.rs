//! What waited for a time is ready when it has come: at the next known time, and each second.

use hellosales_core::queue::promote;
use hellosales_core::{DatabaseError, metrics};
use tokio::time::{Duration, sleep, timeout};

use super::{Maintenance, PATIENCE};

const LONGEST: Duration = Duration::from_secs(1);
/// So that a time which has come, but whose row is locked, does not make a busy loop.
const SHORTEST: Duration = Duration::from_millis(5);
/// That many are one group: there may be more.
const GROUP: u64 = 500;

impl Maintenance {
    /// Makes delayed steps ready.
    pub(crate) async fn promote(self) {
        loop {
            let wait = match timeout(PATIENCE, self.promote_once()).await {
                Ok(Ok(wait)) => wait,
                Ok(Err(error)) => {
                    tracing::warn!(worker_id = %self.worker, %error, "delayed steps could not be looked at");
                    LONGEST
                }
                Err(_) => LONGEST,
            };
            sleep(wait).await;
        }
    }

    async fn promote_once(&self) -> Result<Duration, DatabaseError> {
        let promoted = promote::promote(&self.database).await?;
        metrics::PROMOTED.add(promoted.count);
        self.notifier.send(promoted.wakes);
        if promoted.count >= GROUP {
            return Ok(Duration::ZERO);
        }
        let next = promote::next(&self.database).await?;
        Ok(next.map_or(LONGEST, |next| next.clamp(SHORTEST, LONGEST)))
    }
}
