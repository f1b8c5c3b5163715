//! The source that apalis polls: jobs that the claimer has put into a bounded channel. It never returns an error,
//! since that would end the worker and drop what is in flight; what can fail is retried by the claimer.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::job::{Job, Runner};

/// Where jobs run: each on a task of its own, all of them known, all of them gone when the process is killed.
#[derive(Debug, Clone)]
pub(crate) struct Floor {
    pub(crate) tracker: TaskTracker,
    pub(crate) kill: CancellationToken,
}

impl Floor {
    /// Runs something until it ends or the floor is gone.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<Option<()>> {
        self.tracker.spawn(self.kill.clone().run_until_cancelled_owned(work))
    }
}

impl Floor {
    /// Likewise, when nobody waits for this one alone.
    pub(crate) fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(work));
    }
}

/// The claimed jobs. A clone takes the place of one that was lost to a panic.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    runner: Arc<Runner>,
    floor: Floor,
}

impl Claims {
    pub(crate) fn new(jobs: mpsc::Receiver<Job>, runner: Arc<Runner>, floor: Floor) -> Self {
        Self { jobs: Arc::new(Mutex::new(jobs)), runner, floor }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(cx)
    }
}

impl Backend for Claims {
    type Task = Task<Job>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Job>, Infallible>>> {
        self.poll(cx).map(|job| job.map(|job| Ok(Task::new(job))))
    }

    /// Called once the claimer has ended and nothing runs: what was claimed and not begun is given back.
    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        while let Some(job) = std::task::ready!(self.poll(cx)) {
            let runner = Arc::clone(&self.runner);
            self.floor.detach(async move { runner.give_back(job).await });
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Claims {
    type Args = Job;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = tower::layer::util::Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        Self::Layer::new()
    }
}
