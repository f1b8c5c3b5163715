//! The assembly: the tasks of one worker, how they begin and how they end.

mod assembly;

use std::net::SocketAddr;

use hellosales_core::WorkerId;
use tokio_util::sync::CancellationToken;

pub use crate::config::WorkerConfig;
use crate::environment::Environment;
use crate::registry::{Registry, RegistryError};
use assembly::Assembly;

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its code does not fit its graphs.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its port could not be opened.
    #[error("the worker can't listen on {address}")]
    Listen {
        /// The port.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A worker: claims, executes, settles, and keeps the queue going.
#[derive(Debug)]
pub struct Worker;

/// A worker that runs, in this process. Several may.
#[derive(Debug)]
pub struct WorkerHandle {
    id: WorkerId,
    address: Option<SocketAddr>,
    stopping: CancellationToken,
    kill: CancellationToken,
    ended: CancellationToken,
}

impl Worker {
    /// Holds the registry against its graphs, and starts.
    ///
    /// # Errors
    /// If the registry does not fit, or the port can't be had.
    pub async fn start(
        config: WorkerConfig,
        registry: Registry,
        environment: Environment,
    ) -> Result<WorkerHandle, WorkerError> {
        Assembly::start(config, registry.check()?, environment).await
    }

    /// Runs until `shutdown` fires and all is settled or given back.
    ///
    /// # Errors
    /// If it can't start.
    pub async fn run(
        config: WorkerConfig,
        registry: Registry,
        environment: Environment,
        shutdown: CancellationToken,
    ) -> Result<(), WorkerError> {
        let worker = Self::start(config, registry, environment).await?;
        shutdown.cancelled().await;
        worker.drain().await;
        Ok(())
    }
}

impl WorkerHandle {
    /// Whom the database knows it as.
    #[must_use]
    pub const fn id(&self) -> WorkerId {
        self.id
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Tells it to stop, and waits until it has: nothing more is claimed or handed over, what runs may end within
    /// the grace period, the rest is given back.
    pub async fn drain(&self) {
        self.stopping.cancel();
        self.ended.cancelled().await;
    }

    /// Drops everything at once, unsettled, as if the process were killed.
    pub async fn kill(&self) {
        self.kill.cancel();
        self.ended.cancelled().await;
    }
}

impl Drop for WorkerHandle {
    /// A worker that nobody can stop any more is stopped.
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}
