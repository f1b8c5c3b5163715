//! Which models may be called is known to the worker: as soon as it changes, and every half second.

use hellosales_core::notify::Wake;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Duration, sleep, timeout};

use super::{Maintenance, PATIENCE};

const LOOK: Duration = Duration::from_millis(500);

impl Maintenance {
    /// Looks at breakers and limits. What can't be read is as it was; the ledger opens no call that it must not.
    pub(crate) async fn heed_providers(self, mut wakes: Receiver<Wake>) {
        loop {
            match timeout(PATIENCE, self.environment.llm.look(&self.database)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(worker_id = %self.worker, %error, "breakers and limits could not be read")
                }
                Err(_) => tracing::warn!(worker_id = %self.worker, "breakers and limits were not read in time"),
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = a_provider(&mut wakes) => {}
            }
        }
    }
}

/// Waits until a provider may be called again or may not any more, or something may have been missed.
async fn a_provider(wakes: &mut Receiver<Wake>) {
    loop {
        match wakes.recv().await {
            Ok(Wake::Provider | Wake::Reconnected) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
