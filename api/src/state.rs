//! What handlers share.

use std::ops::Deref;
use std::sync::Arc;

use hellosales_core::Database;
use hellosales_core::notify::{Listener, Notifier};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Jwks, SignIns, Verifier};
use crate::config::ApiConfig;
use crate::error::Problem;
use crate::feed::Feed;
use crate::follow::Follow;
use crate::import::Imports;
use crate::streams::Streams;
use crate::watch::Watch;

/// Everything that a handler may reach.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

/// What is behind the state.
pub(crate) struct Shared {
    pub(crate) config: ApiConfig,
    pub(crate) db: Database,
    pub(crate) notifier: Notifier,
    pub(crate) listener: Listener,
    pub(crate) follow: Follow,
    pub(crate) watch: Watch,
    pub(crate) feed: Feed,
    pub(crate) streams: Streams,
    pub(crate) imports: Imports,
    pub(crate) jwks: Arc<Jwks>,
    pub(crate) verifier: Verifier,
    pub(crate) sign_ins: SignIns,
    /// Fires when the process is told to stop: streams end, waits answer, nothing new is begun.
    pub(crate) draining: CancellationToken,
    /// Handlers' work that goes on when their client hangs up.
    pub(crate) work: TaskTracker,
}

impl AppState {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Does what writes, on a task of its own: a client that hangs up cancels nothing.
    ///
    /// # Errors
    /// What the work answers; 500 if it panicked.
    pub(crate) async fn detached<T, F>(&self, work: F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>> + Send + 'static,
        T: Send + 'static,
    {
        self.work.spawn(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a handler's work ended early");
            Err(Problem::new(hellosales_core::ErrorCode::InternalError, "something went wrong on our side"))
        })
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
