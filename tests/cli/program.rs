//! Starts the program, and ends it like its user would.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use uuid::Uuid;

/// Everything has come up or gone down by then, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that goes when the test is over.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("hellosales-cli-{}", Uuid::now_v7().simple())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The program, with none of the settings of whoever runs the tests.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hellosales"));
    for name in [
        "DATABASE_URL",
        "API_URL",
        "LLM_BASE_URL",
        "LLM_API_KEY",
        "GROQ_API_KEY",
        "GOOGLE_API_KEY",
        "HELLOSALES_TOKEN",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub(crate) async fn run(args: &[&str]) -> Output {
    timeout(PATIENCE, program(args).output()).await.expect("it ends").expect("it starts")
}

/// What it said on stderr.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running `dev`.
pub(crate) struct Dev {
    child: Child,
    /// What `--json` printed.
    pub(crate) line: Value,
    talk: tokio::task::JoinHandle<String>,
}

impl Dev {
    /// Starts one, and waits until all is ready.
    pub(crate) async fn start(folder: &Folder, more: &[&str]) -> Self {
        Self::wait(program(&[&["dev", "--json", "--data-dir", folder.text()], more].concat())).await
    }

    /// The same, of a command that is made already.
    pub(crate) async fn wait(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let talk = tokio::spawn(async move {
            let mut talk = String::new();
            drop(tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut talk).await);
            talk
        });
        let line = first_line(child.stdout.take().expect("stdout is a pipe")).await;
        let Some(line) = line.and_then(|line| serde_json::from_str(&line).ok()) else {
            drop(child.kill().await);
            panic!("dev does not come up: {}", talk.await.unwrap_or_default());
        };
        Self { child, line, talk }
    }

    /// A string of its line.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.line[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.line))
    }

    /// The processes of a role.
    pub(crate) fn pids(&self, role: &str) -> Vec<u64> {
        let processes = self.line["processes"].as_array().expect("processes");
        processes.iter().filter(|p| p["role"] == role).map(|p| p["pid"].as_u64().expect("a pid")).collect()
    }

    /// All its processes.
    pub(crate) fn all_pids(&self) -> Vec<u64> {
        ["api", "worker", "simulator", "postgres"].iter().flat_map(|role| self.pids(role)).collect()
    }

    /// Sends it a signal, waits for its end, and gives its exit code and all that it said.
    pub(crate) async fn end(mut self, signal: &str) -> (Option<i32>, String) {
        send(signal, u64::from(self.child.id().expect("it runs"))).await;
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for");
        (status.code(), self.talk.await.unwrap_or_default())
    }
}

async fn first_line(stdout: ChildStdout) -> Option<String> {
    timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await.ok()?.ok()?
}

/// Sends a signal.
pub(crate) async fn send(signal: &str, pid: u64) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid}")).status().await.expect("sh runs");
    assert!(sent.success(), "kill -{signal} {pid}");
}

/// Waits until a condition holds: what other processes do can't be waited for otherwise.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = tokio::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what} does not come true");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a process is there, and no zombie.
pub(crate) fn is_alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
