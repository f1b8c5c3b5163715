//! What every worker does for all: takes steps from lost workers, wakes what waited for its time, clears away.
//! Each duty is a loop of its own; none of them is ever behind another.

mod admitter;
mod door;
mod janitor;
mod operations;
mod orphans;
mod pauses;
mod promoter;
mod reaper;
mod sightings;
mod twins;

use std::sync::{Arc, Mutex};

use hellosales_core::dead_letter::Automatic;
use hellosales_core::notify::Notifier;
use hellosales_core::pipeline::Pipeline;
use hellosales_core::{Database, WorkerId};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::config::WorkerConfig;
use crate::environment::Environment;
use sightings::Sightings;

/// A statement of maintenance that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(12);

/// What the duties work with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Maintenance {
    pub(crate) database: Database,
    pub(crate) environment: Environment,
    pub(crate) worker: WorkerId,
    pub(crate) notifier: Notifier,
    pub(crate) lease: Duration,
    /// It takes nothing more on.
    pub(crate) draining: CancellationToken,
    automatic: Automatic,
    pipelines: Arc<[&'static Pipeline]>,
    sightings: Arc<Mutex<Sightings>>,
}

impl Maintenance {
    pub(crate) fn new(
        environment: Environment,
        worker: WorkerId,
        notifier: Notifier,
        (config, pipelines): (&WorkerConfig, Arc<[&'static Pipeline]>),
        draining: CancellationToken,
    ) -> Self {
        let (lease, automatic) = (config.lease, config.automatic);
        let sightings = Arc::new(Mutex::new(Sightings::new(lease)));
        Self {
            database: environment.database.clone(),
            environment,
            worker,
            notifier,
            lease,
            draining,
            automatic,
            pipelines,
            sightings,
        }
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }

    fn sightings(&self) -> std::sync::MutexGuard<'_, Sightings> {
        self.sightings.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
