//! Child processes of this same program: started, watched, started again when they die, and stopped together.
//! A child stops when its stdin closes, so that none is left however its parent ended.

mod keeper;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::output::Output;
use crate::problem::{Exit, Problem};
use keeper::Keeper;

/// What a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Api,
    Worker,
    Simulator,
    Postgres,
}

impl Role {
    /// Its name in what programs read.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Simulator => "simulator",
            Self::Postgres => "postgres",
        }
    }

    /// Who is stopped first: those that need the others.
    const fn stops_in_round(self) -> u8 {
        match self {
            Self::Api | Self::Worker => 0,
            Self::Simulator => 1,
            Self::Postgres => 2,
        }
    }
}

/// Asks whether what listens on a port serves already.
pub(crate) type Ready = Arc<dyn Fn(u16) -> BoxFuture<'static, bool> + Send + Sync>;

/// How to start a child.
#[derive(Clone)]
pub(crate) struct Spec {
    /// What it is.
    pub(crate) role: Role,
    /// Its name in talk and of its log.
    pub(crate) name: String,
    /// The command line, given its port.
    pub(crate) args: Arc<dyn Fn(u16) -> Vec<String> + Send + Sync>,
    /// Settings beside those that we have.
    pub(crate) env: Vec<(&'static str, String)>,
    /// The port; another is taken if somebody else got it first.
    pub(crate) port: u16,
    /// Where its logs go.
    pub(crate) log: PathBuf,
    /// Whether it serves.
    pub(crate) ready: Ready,
    /// Where the process that matters writes its id, if it isn't the child itself.
    pub(crate) pid_file: Option<PathBuf>,
}

/// A child that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its process.
    pub(crate) pid: u32,
    /// Its port.
    pub(crate) port: u16,
}

#[derive(Debug, Clone)]
enum State {
    Starting,
    Ready(Process),
    GivenUp(String),
    Stopped,
}

/// A child under supervision.
#[derive(Debug)]
pub(crate) struct Child {
    /// What it is.
    pub(crate) role: Role,
    state: watch::Receiver<State>,
    kill: CancellationToken,
}

impl Child {
    /// Waits until it serves.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<Process> {
        loop {
            match self.state.borrow_and_update().clone() {
                State::Ready(process) => return Ok(process),
                State::GivenUp(why) => return Err(Problem::new(Exit::Failed, why).into()),
                State::Stopped => return Err(Problem::new(Exit::Interrupted, "stopped").into()),
                State::Starting => {}
            }
            self.state.changed().await.context("its supervisor is gone")?;
        }
    }

    /// What serves right now.
    pub(crate) fn process(&self) -> Option<Process> {
        match &*self.state.borrow() {
            State::Ready(process) => Some(*process),
            _ => None,
        }
    }

    /// Kills it (SIGKILL); it is not started again.
    pub(crate) async fn kill(&mut self) {
        self.kill.cancel();
        while !matches!(*self.state.borrow_and_update(), State::Stopped) {
            if self.state.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The children.
#[derive(Debug)]
pub(crate) struct Supervisor {
    output: Output,
    tasks: JoinSet<()>,
    stops: Vec<(Role, CancellationToken, watch::Receiver<State>)>,
}

impl Supervisor {
    /// Without children yet.
    pub(crate) fn new(output: Output) -> Self {
        Self { output, tasks: JoinSet::new(), stops: Vec::new() }
    }

    /// Starts a child and keeps it running.
    pub(crate) fn start(&mut self, spec: Spec) -> Child {
        let (state, seen) = watch::channel(State::Starting);
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        self.stops.push((spec.role, stop.clone(), seen.clone()));
        let child = Child { role: spec.role, state: seen, kill: kill.clone() };
        let keeper = Keeper::new(spec, state, (stop, kill), self.output);
        self.tasks.spawn(keeper.keep());
        child
    }

    /// Stops all children, those first that need the others.
    pub(crate) async fn stop(mut self) {
        for round in 0..=2 {
            let round: Vec<_> = self.stops.iter_mut().filter(|(role, ..)| role.stops_in_round() == round).collect();
            for (_, stop, _) in &round {
                stop.cancel();
            }
            for (_, _, state) in round {
                drop(state.wait_for(|state| matches!(state, State::Stopped | State::GivenUp(_))).await);
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }
}
