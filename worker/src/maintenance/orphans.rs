//! Provider calls that a lost worker left open: closed in transactions of their own, once their step was taken.

use hellosales_core::LeaseToken;

use super::Maintenance;

impl Maintenance {
    /// Closes the open calls of tokens that are worth nothing now.
    #[expect(clippy::unused_async, reason = "the ledger is not there yet")]
    pub(super) async fn close_orphans(&self, tokens: Vec<LeaseToken>) {
        tracing::trace!(worker_id = %self.worker, tokens = tokens.len(), "calls of lost workers are to be closed");
    }
}
