//! Which tasks there are, and in which order they go.

use std::sync::Arc;
use std::time::Duration;

use apalis_core::monitor::Monitor;
use apalis_core::worker::builder::WorkerBuilder;
use hellosales_core::notify::{Listener, Notifier, Wake};
use hellosales_core::pipeline::Pipeline;
use hellosales_core::queue::Pauses;
use hellosales_core::queue::lease::{self, Beat};
use hellosales_core::{Database, WorkerId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{WorkerConfig, WorkerError, WorkerHandle};
use crate::backend::{Claims, Floor};
use crate::claimer::{Claimer, Clock};
use crate::environment::Environment;
use crate::execute::Ring;
use crate::health::Health;
use crate::job::{Job, Runner};
use crate::leases::{Contact, Heart, Holdings, Watch};
use crate::maintenance::Maintenance;
use crate::registry::CheckedRegistry;
use crate::settler::{DeskParts, Settler};
use crate::slots::Slots;
use crate::stream::{Streams, Writer};

/// After the grace period, what was given back has this long to be settled; what isn't is reaped.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// So often a drained worker looks whether all is given back.
const GIVING_BACK: Duration = Duration::from_millis(20);

/// What the tasks of a worker share.
pub(super) struct Assembly {
    id: WorkerId,
    config: WorkerConfig,
    database: Database,
    contact: Contact,
    holdings: Holdings,
    slots: Slots,
    streams: Streams,
    notifier: Notifier,
    listener: Listener,
    /// Told when a lane has something to claim.
    wake: Arc<Notify>,
    /// Told to look at what is still this worker's.
    look: Arc<Notify>,
    signals: Signals,
    environment: Environment,
    /// Jobs.
    floor: Floor,
    /// Duties: they go on until the last job has ended.
    duties: Floor,
}

/// The ways in which a worker ends, each a child of the next: told to drain, told to give back, killed.
#[derive(Debug, Clone)]
struct Signals {
    /// Told to end: it drains, and goes.
    stopping: CancellationToken,
    /// It takes nothing more: it is to end, or an operator wants it empty. Then it stays until it is stopped.
    draining: CancellationToken,
    /// It drains, and nothing runs any more.
    drained: CancellationToken,
    give_back: CancellationToken,
    kill: CancellationToken,
    ended: CancellationToken,
}

impl Assembly {
    pub(super) async fn start(
        config: WorkerConfig,
        registry: CheckedRegistry,
        environment: Environment,
    ) -> Result<WorkerHandle, WorkerError> {
        let port = match config.listen {
            Some(address) => {
                Some(Health::bind(address).await.map_err(|source| WorkerError::Listen { address, source })?)
            }
            None => None,
        };
        let address = port.as_ref().and_then(|port| port.local_addr().ok());
        let assembly = Self::new(config, environment);
        if let Some(port) = port {
            assembly.duties.detach(assembly.health().serve(port));
        }
        let handle = assembly.handle(address);
        assembly.begin(registry);
        Ok(handle)
    }

    fn new(config: WorkerConfig, environment: Environment) -> Self {
        let database = environment.database.clone();
        let kill = CancellationToken::new();
        let stopping = CancellationToken::new();
        let tracker = TaskTracker::new();
        Self {
            id: WorkerId::new(),
            config,
            contact: Contact::new(config.lease),
            holdings: Holdings::default(),
            slots: Slots::new(config.slots),
            streams: Streams::new(database.clone()),
            notifier: Notifier::start(database.clone()),
            listener: Listener::start(database.clone()),
            wake: Arc::default(),
            look: Arc::default(),
            floor: Floor { tracker, kill: kill.clone() },
            duties: Floor { tracker: TaskTracker::new(), kill: kill.child_token() },
            signals: Signals {
                draining: stopping.child_token(),
                stopping,
                drained: CancellationToken::new(),
                give_back: CancellationToken::new(),
                kill,
                ended: CancellationToken::new(),
            },
            database,
            environment,
        }
    }

    fn handle(&self, address: Option<std::net::SocketAddr>) -> WorkerHandle {
        WorkerHandle {
            id: self.id,
            address,
            stopping: self.signals.stopping.clone(),
            kill: self.signals.kill.clone(),
            ended: self.signals.ended.clone(),
        }
    }

    fn health(&self) -> Health {
        Health {
            worker: self.id,
            contact: self.contact.clone(),
            draining: self.signals.draining.clone(),
            slots: self.slots.clone(),
        }
    }

    /// Starts every task.
    fn begin(self, registry: CheckedRegistry) {
        let shapes = registry.shapes();
        let kinds: Arc<[String]> = shapes.kinds().into();
        let beat = self.beat(&kinds);
        tracing::info!(worker_id = %self.id, slots = self.config.slots, lease_ms = beat.lease_ms, "worker started");
        let (pauses, known_pauses) = watch::channel(Arc::<Pauses>::default());
        let (settler, desk) = Settler::new(DeskParts {
            database: self.database.clone(),
            worker: self.id,
            stage_timeout_ms: self.environment.config.stage_timeout_ms,
            automatic: self.config.automatic,
            notifier: self.notifier.clone(),
            draining: self.signals.draining.clone(),
            pauses: known_pauses,
        });
        let pipelines = registry.pipelines().into();
        let ring = Ring {
            worker: self.id,
            registry,
            environment: self.environment.clone(),
            streams: self.streams.clone(),
            contact: self.contact.clone(),
            give_back: self.signals.give_back.clone(),
        };
        let holdings = self.holdings.clone();
        let runner =
            Arc::new(Runner { database: self.database.clone(), shapes: shapes.clone(), ring, holdings, settler });
        let (jobs, claimed) = mpsc::channel(usize::from(self.config.slots));
        let claims = Claims::new(claimed, Arc::clone(&runner), self.floor.clone());
        let claimer = Claimer {
            database: self.database.clone(),
            worker: self.id,
            shapes,
            kinds,
            slots: self.slots.clone(),
            holdings: self.holdings.clone(),
            contact: self.contact.clone(),
            listener: self.listener.clone(),
            wake: Arc::clone(&self.wake),
            draining: self.signals.draining.clone(),
            jobs,
            clock: Clock::default(),
        };
        self.duties.detach(desk.run());
        self.start_duties(beat, pauses, pipelines);
        self.supervise(claimer, claims, runner);
    }

    fn start_duties(&self, beat: Beat, pauses: watch::Sender<Arc<Pauses>>, pipelines: Arc<[&'static Pipeline]>) {
        let (database, notifier) = (self.database.clone(), self.notifier.clone());
        let heart = Heart {
            database: database.clone(),
            beat,
            contact: self.contact.clone(),
            draining: self.signals.draining.clone(),
            drained: self.signals.drained.clone(),
        };
        let watch = Watch {
            database,
            worker: self.id,
            holdings: self.holdings.clone(),
            notifier: notifier.clone(),
            look: Arc::clone(&self.look),
        };
        let writer = Writer { streams: self.streams.clone(), notifier: notifier.clone() };
        let draining = self.signals.draining.clone();
        let settings = (&self.config, pipelines);
        let maintenance = Maintenance::new(self.environment.clone(), self.id, notifier, settings, draining);
        self.duties.detach(heart.run());
        self.duties.detach(watch.run());
        self.duties.detach(writer.run());
        self.duties.detach(maintenance.clone().reap());
        self.duties.detach(maintenance.clone().promote());
        self.duties.detach(maintenance.clone().heed(pauses));
        self.duties.detach(maintenance.clone().admit(self.listener.subscribe()));
        self.duties.detach(maintenance.clone().heed_providers(self.listener.subscribe()));
        self.duties.detach(maintenance.clone().operate());
        self.duties.detach(maintenance.clean());
        self.duties.detach(hear(
            self.listener.clone(),
            Arc::clone(&self.wake),
            Arc::clone(&self.look),
            self.holdings.clone(),
        ));
    }

    /// Runs the apalis worker over the claims, and ends everything in order.
    fn supervise(self, claimer: Claimer, claims: Claims, runner: Arc<Runner>) {
        let claimed_out = CancellationToken::new();
        let claiming = claimed_out.clone().drop_guard();
        self.duties.detach(async move {
            claimer.run().await;
            drop(claiming);
        });
        let monitor = monitor(self.id, claims, runner, self.floor.clone(), claimed_out);
        let (Signals { stopping, drained, .. }, slots) = (self.signals.clone(), self.slots.clone());
        let monitor = async move {
            monitor.await;
            // What was claimed and not begun has its slot until it is given back.
            while slots.taken() > 0 {
                sleep(GIVING_BACK).await;
            }
            // Of one that goes its row says it: it is gone.
            if !stopping.is_cancelled() {
                drained.cancel();
            }
        };
        // Not on the floor: it outlives the kill, to say when all is gone.
        let tracker = TaskTracker::new();
        drop(tracker.spawn(async move { self.end(monitor).await }));
    }

    async fn end(self, monitor: impl Future<Output = ()> + Send + 'static) {
        let Signals { stopping, give_back, kill, ended, .. } = self.signals.clone();
        let monitored = self.floor.spawn(monitor);
        // Killed, or stopped by its own will: there is no third way out of apalis, whose restarts are for ever.
        let _ended_by_kill = kill.run_until_cancelled(stopping.cancelled()).await;
        let all_ended = async {
            let _joined = monitored.await;
            self.floor.tracker.close();
            self.floor.tracker.wait().await;
        };
        tokio::pin!(all_ended);
        if !kill.is_cancelled() {
            tracing::info!(worker_id = %self.id, running = self.slots.taken(), "worker drains");
            if timeout(self.config.grace, &mut all_ended).await.is_err() {
                give_back.cancel();
                if timeout(SETTLE_PATIENCE, &mut all_ended).await.is_err() {
                    tracing::warn!(worker_id = %self.id, running = self.slots.taken(), "worker goes with unsettled results: they will be reaped");
                    kill.cancel();
                }
            }
        }
        if kill.is_cancelled() {
            all_ended.await;
        } else {
            self.leave().await;
        }
        self.duties.kill.cancel();
        self.duties.tracker.close();
        self.duties.tracker.wait().await;
        tracing::info!(worker_id = %self.id, "worker stopped");
        ended.cancel();
    }

    /// Nothing runs any more: the last calls are closed, and the lease ends.
    async fn leave(&self) {
        if timeout(SETTLE_PATIENCE, self.environment.llm.drain()).await.is_err() {
            tracing::warn!(worker_id = %self.id, "worker goes with calls open in the ledger: they will be closed");
        }
        if let Ok(Err(error)) = timeout(SETTLE_PATIENCE, lease::leave(self.database.fast(), self.id)).await {
            tracing::debug!(worker_id = %self.id, %error, "the worker's row stays until it is pruned");
        }
    }

    fn beat(&self, kinds: &Arc<[String]>) -> Beat {
        Beat {
            worker: self.id,
            host: host(),
            pid: i32::try_from(std::process::id()).unwrap_or(i32::MAX),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots: i32::from(self.config.slots),
            lease_ms: i64::try_from(self.config.lease.as_millis()).unwrap_or(i64::MAX),
            draining: false,
            drained: false,
            kinds: Arc::clone(kinds),
        }
    }
}

/// Passes wake-ups on to whom they concern.
async fn hear(listener: Listener, wake: Arc<Notify>, look: Arc<Notify>, holdings: Holdings) {
    let mut wakes = listener.subscribe();
    loop {
        match wakes.recv().await {
            Ok(Wake::Queue(_)) => wake.notify_one(),
            // Only whether to look at once: what was cancelled is what the look doesn't find.
            Ok(Wake::Cancel(runs)) if holdings.has_any(&runs) => look.notify_one(),
            Ok(Wake::Cancel(_) | Wake::Stream(_) | Wake::Batch | Wake::Provider) => {}
            Ok(Wake::Reconnected) | Err(RecvError::Lagged(_)) => {
                wake.notify_one();
                look.notify_one();
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// The apalis worker: it polls the claims, and each job runs on a task of its own. A panic of the worker itself
/// starts it anew; the jobs don't notice.
fn monitor(
    id: WorkerId,
    claims: Claims,
    runner: Arc<Runner>,
    floor: Floor,
    claimed_out: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let monitor = Monitor::new()
        .register(move |restarts| {
            if restarts > 0 {
                tracing::error!(worker_id = %id, restarts, "the worker's loop panicked, and starts anew");
            }
            let (runner, floor) = (Arc::clone(&runner), floor.clone());
            WorkerBuilder::new(id.to_string()).backend(claims.clone()).build(move |job: Job| {
                let runner = Arc::clone(&runner);
                let running = floor.spawn(async move { runner.run(job).await });
                async move {
                    let _ended = running.await;
                }
            })
        })
        .should_restart(|_, _| true);
    async move {
        let signal = async move {
            claimed_out.cancelled().await;
            Ok(())
        };
        if let Err(error) = monitor.run_with_signal(signal).await {
            tracing::error!(worker_id = %id, %error, "the worker's loop ended with an error");
        }
    }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}
