//! The process between `dev` and its PostgreSQL: a server doesn't stop when its parent dies, so this one,
//! which does, stops it.

use std::fs;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::account::{self, Account};
use super::binaries::Binaries;

/// What a server of ours runs with, beside its port. Nothing that makes it forget.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=128MB",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "max_wal_size=1GB",
    "random_page_cost=1.1",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "lc_messages=C",
    "log_checkpoints=off",
    "logging_collector=off",
];

/// Runs the server until it ends, or until it is told to stop it.
pub(crate) async fn keep(folder: &Path, port: u16, stop: CancellationToken) -> anyhow::Result<()> {
    let made_by = fs::read_to_string(folder.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    let binaries = Binaries::find(made_by)?;
    let account = Account::for_cluster()?;
    clear_orphan(&binaries, account, folder)?;
    let mut server = account::command(&binaries.program("postgres"), account);
    server.arg("-D").arg(folder).arg("-c").arg(format!("port={port}"));
    for setting in SETTINGS {
        server.args(["-c", setting]);
    }
    let mut server = tokio::process::Command::from(server);
    let mut server = server.stdin(Stdio::null()).process_group(0).spawn().context("postgres can't be started")?;
    let ended = tokio::select! {
        status = server.wait() => status?,
        () = stop.cancelled() => {
            stop_server(&binaries, account, folder)?;
            server.wait().await?;
            ExitStatus::default()
        }
    };
    anyhow::ensure!(ended.success(), "postgres ended: {ended}");
    Ok(())
}

/// Stops a server: its clients are cut off, its data is whole.
fn stop_server(binaries: &Binaries, account: Option<Account>, folder: &Path) -> anyhow::Result<()> {
    for mode in ["fast", "immediate"] {
        let mut stop = account::command(&binaries.program("pg_ctl"), account);
        stop.arg("stop").arg("-D").arg(folder).args(["-w", "-t", "15", "-m", mode]);
        if stop.stdin(Stdio::null()).stdout(Stdio::null()).status()?.success() {
            return Ok(());
        }
    }
    anyhow::bail!("the PostgreSQL of {} does not stop", folder.display())
}

/// A server that outlived its keeper is stopped; a file of one that is gone, whose number another process has
/// by now, is removed. Whoever calls this holds the folder's lock.
fn clear_orphan(binaries: &Binaries, account: Option<Account>, folder: &Path) -> anyhow::Result<()> {
    let pid_file = folder.join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|text| text.lines().next().map(str::to_owned)) else {
        return Ok(());
    };
    match command_line(pid.trim()) {
        Some(line) if line.contains("postgres") && line.contains(&*folder.to_string_lossy()) => {
            stop_server(binaries, account, folder)
        }
        Some(_) => fs::remove_file(&pid_file).context("a stale postmaster.pid can't be removed"),
        None => Ok(()),
    }
}

/// The command line of a live process.
fn command_line(pid: &str) -> Option<String> {
    if Path::new("/proc/self").exists() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&line).replace('\0', " "));
    }
    let ps = std::process::Command::new("ps").args(["-o", "command=", "-p", pid]).output().ok()?;
    ps.status.success().then(|| String::from_utf8_lossy(&ps.stdout).into_owned())
}
