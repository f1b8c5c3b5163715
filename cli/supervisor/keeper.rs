//! Keeps one child running.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context;
use tokio::process::{Child as Running, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Process, Spec, State};
use crate::output::{Output, Paint};
use crate::port;

/// How long a child may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a child may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// A child that lived less than this is in a crash loop.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// One that never served is given up after so many starts.
const FIRST_STARTS: u32 = 3;
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Who keeps a child running.
pub(super) struct Keeper {
    spec: Spec,
    state: watch::Sender<State>,
    stop: CancellationToken,
    kill: CancellationToken,
    output: Output,
    has_served: bool,
    quick_deaths: u32,
}

/// This program, by the path that it was started from: asked for later, a program that was built anew meanwhile has
/// none.
static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::current_exe().ok());

/// How a life of a child ended.
enum Life {
    Stopped,
    Died(String),
}

impl Keeper {
    /// For a child that is not started yet.
    pub(super) fn new(
        spec: Spec,
        state: watch::Sender<State>,
        (stop, kill): (CancellationToken, CancellationToken),
        output: Output,
    ) -> Self {
        Self { spec, state, stop, kill, output, has_served: false, quick_deaths: 0 }
    }

    /// Starts the child, again and again, until it is stopped, killed or given up.
    pub(super) async fn keep(mut self) {
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
        // What still answers may be left over from a life before: its child stops it first.
        let before = self.real_pid();
        let mut running = self.spawn()?;
        // Held here, since `wait` would close it.
        let stdin = running.stdin.take();
        let child_pid = running.id().unwrap_or_default();
        let serving = self.serving(before);
        tokio::select! {
            status = running.wait() => return Ok(Life::Died(died(child_pid, status?))),
            served = timeout(READY_WITHIN, serving) => if served.is_err() {
                running.kill().await?;
                return Ok(Life::Died(format!("(pid {child_pid}) did not serve within {} s", READY_WITHIN.as_secs())));
            },
            () = self.stop.cancelled() => return end(running, stdin).await,
            () = self.kill.cancelled() => return kill(running).await,
        }
        let pid = self.real_pid().unwrap_or(child_pid);
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
        let program = PROGRAM.as_ref().context("this program can't be found")?;
        let log = OpenOptions::new().create(true).append(true).open(&self.spec.log);
        let log = log.with_context(|| format!("{} can't be written", self.spec.log.display()))?;
        let mut command = Command::new(program);
        command.args((self.spec.args)(self.spec.port)).envs(self.spec.env.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // A group of its own: Ctrl-C in the terminal is for the parent, which stops its children in order.
        command.process_group(0).kill_on_drop(true);
        command.spawn().context("can't be started")
    }

    /// The process that matters, if it isn't the child itself.
    fn real_pid(&self) -> Option<u32> {
        self.spec.pid_file.as_deref().and_then(first_line)
    }

    async fn serving(&self, before: Option<u32>) {
        let is_new = || self.spec.pid_file.is_none() || self.real_pid().is_some_and(|pid| Some(pid) != before);
        while !(is_new() && (self.spec.ready)(self.spec.port).await) {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Why a child never served, with the end of its log.
    fn why(&self, died: &str) -> String {
        let log = std::fs::read_to_string(&self.spec.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(5)).map(|line| format!("\n    {line}"));
        format!("{} {died}. The end of {}:{}", self.spec.name, self.spec.log.display(), last.collect::<String>())
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

fn first_line(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
}
