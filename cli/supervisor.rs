//! Child processes of this same program: started, watched, started again when they die, and stopped together.
//! A child stops when its stdin closes, so that none is left however its parent ended.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::future::BoxFuture;
use tokio::process::{Child as Running, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::output::{Output, Paint};
use crate::port;
use crate::problem::{Exit, Problem};

/// How long a child may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a child may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// A child that lived less than this is in a crash loop.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// One that never served is given up after so many starts.
const FIRST_STARTS: u32 = 3;
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

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
        let keeper = Keeper { spec, state, stop, kill, output: self.output, has_served: false, quick_deaths: 0 };
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

struct Keeper {
    spec: Spec,
    state: watch::Sender<State>,
    stop: CancellationToken,
    kill: CancellationToken,
    output: Output,
    has_served: bool,
    quick_deaths: u32,
}

/// How a life of a child ended.
enum Life {
    Stopped,
    Died(String),
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let began = Instant::now();
            let died = match self.live().await {
                Ok(Life::Stopped) => break,
                Ok(Life::Died(how)) => how,
                Err(error) => format!("{error:#}"),
            };
            self.quick_deaths = if began.elapsed() < SHORT_LIFE { self.quick_deaths + 1 } else { 1 };
            if !self.has_served && self.quick_deaths >= FIRST_STARTS {
                self.state.send_replace(State::GivenUp(self.why(&died)));
                return;
            }
            if self.has_served {
                let mark = self.output.paint(Paint::Yellow, "!");
                self.output.say(format!("{mark} {} {died}; starting it again", self.spec.name));
            } else if let Ok(another) = port::any() {
                self.spec.port = another;
            }
            self.state.send_replace(State::Starting);
            let backoff = Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(self.quick_deaths));
            tokio::select! {
                () = sleep(backoff.min(LONGEST_BACKOFF)) => {}
                () = self.stop.cancelled() => break,
                () = self.kill.cancelled() => break,
            }
        }
        self.state.send_replace(State::Stopped);
    }

    async fn live(&mut self) -> anyhow::Result<Life> {
        let mut running = self.spawn()?;
        // Held here, since `wait` would close it.
        let stdin = running.stdin.take();
        let child_pid = running.id().unwrap_or_default();
        let serving = serving(self.spec.ready.clone(), self.spec.port);
        tokio::select! {
            status = running.wait() => return Ok(Life::Died(died(child_pid, status?))),
            served = timeout(READY_WITHIN, serving) => if served.is_err() {
                running.kill().await?;
                return Ok(Life::Died(format!("(pid {child_pid}) did not serve within {} s", READY_WITHIN.as_secs())));
            },
            () = self.stop.cancelled() => return end(running, stdin).await,
            () = self.kill.cancelled() => return kill(running).await,
        }
        let pid = self.spec.pid_file.as_deref().and_then(first_line).unwrap_or(child_pid);
        if self.has_served {
            self.output.say(format!("  {} is back (pid {pid})", self.spec.name));
        }
        self.has_served = true;
        self.state.send_replace(State::Ready(Process { pid, port: self.spec.port }));
        tokio::select! {
            status = running.wait() => Ok(Life::Died(died(pid, status?))),
            () = self.stop.cancelled() => end(running, stdin).await,
            () = self.kill.cancelled() => kill(running).await,
        }
    }

    fn spawn(&self) -> anyhow::Result<Running> {
        let program = std::env::current_exe().context("this program can't be found")?;
        let log = OpenOptions::new().create(true).append(true).open(&self.spec.log);
        let log = log.with_context(|| format!("{} can't be written", self.spec.log.display()))?;
        let mut command = Command::new(program);
        command.args((self.spec.args)(self.spec.port)).envs(self.spec.env.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // A group of its own: Ctrl-C in the terminal is for the parent, which stops its children in order.
        command.process_group(0).kill_on_drop(true);
        command.spawn().with_context(|| format!("{} can't be started", self.spec.name))
    }

    /// Why a child never served, with the end of its log.
    fn why(&self, died: &str) -> String {
        let log = std::fs::read_to_string(&self.spec.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(5)).map(|line| format!("\n    {line}"));
        format!("{} {died}. The end of {}:{}", self.spec.name, self.spec.log.display(), last.collect::<String>())
    }
}

async fn serving(ready: Ready, port: u16) {
    while !ready(port).await {
        sleep(Duration::from_millis(50)).await;
    }
}

/// Closes its stdin, which it takes as the end, and waits.
async fn end(mut running: Running, stdin: Option<ChildStdin>) -> anyhow::Result<Life> {
    drop(stdin);
    if timeout(STOP_WITHIN, running.wait()).await.is_err() {
        running.kill().await?;
    }
    Ok(Life::Stopped)
}

async fn kill(mut running: Running) -> anyhow::Result<Life> {
    running.kill().await?;
    Ok(Life::Stopped)
}

fn died(pid: u32, status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("(pid {pid}) was killed by signal {signal}"),
        (None, Some(code)) => format!("(pid {pid}) ended with exit code {code}"),
        (None, None) => format!("(pid {pid}) ended"),
    }
}

fn first_line(path: &std::path::Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
}
