//! Provider calls that a lost worker left open: closed in transactions of their own, once their step was taken.

use hellosales_core::DatabaseError;
use hellosales_core::queue::lease::Owned;

use super::Maintenance;

impl Maintenance {
    /// Closes the open calls of steps that were taken. What can't be closed is the janitor's.
    pub(super) async fn close_orphans(&self, steps: Vec<Owned>) {
        for step in steps {
            if let Err(error) = self.environment.llm.close_orphans(&self.database, step).await {
                tracing::warn!(worker_id = %self.worker, %error, "the calls of a lost step stay open for now");
            }
        }
    }

    /// Closes the calls that nobody will close any more.
    pub(super) async fn close_forgotten(&self) -> Result<(), DatabaseError> {
        let closed = self.environment.llm.close_forgotten(&self.database).await?;
        if closed > 0 {
            tracing::info!(worker_id = %self.worker, closed, "forgotten provider calls were closed");
        }
        Ok(())
    }
}
