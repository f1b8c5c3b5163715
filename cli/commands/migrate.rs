//! `hellosales migrate up | status | check`: safe to run twice, and at once from many processes.

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::DatabaseError;
use hellosales_core::database::migrate::{self, Migration, Status};
use serde_json::json;

use crate::Global;
use crate::database::{self, unreachable};
use crate::duration;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Action {
    /// Apply what is missing (the default)
    Up(UpArgs),
    /// Say what is applied and what is missing; exit 1 if anything is
    Status,
    /// Say whether this program can work on the schema as it is; exit 1 if it can't
    Check,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct UpArgs {
    /// Say what would be applied, and apply nothing
    #[arg(long)]
    dry_run: bool,
    /// Give up when a table is locked for so long: who comes behind waits as well
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    lock_timeout: Duration,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let url = database::url(global)?;
    let default = UpArgs { dry_run: false, lock_timeout: Duration::from_secs(5) };
    match args.action.unwrap_or(Action::Up(default)) {
        Action::Up(args) if !args.dry_run => up(&url, args.lock_timeout, output).await,
        Action::Up(_) => {
            let status = look(&url).await?;
            show(&status, &status.pending, "would apply", output)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Status => {
            let status = look(&url).await?;
            show(&status, &status.pending, "missing", output)?;
            Ok(if status.is_sound() { ExitCode::SUCCESS } else { Exit::Failed.into() })
        }
        Action::Check => check(&look(&url).await?, output),
    }
}

async fn look(url: &str) -> anyhow::Result<Status> {
    migrate::status(url).await.map_err(|error| unreachable(error, url))
}

async fn up(url: &str, lock_timeout: Duration, output: Output) -> anyhow::Result<ExitCode> {
    let migrated = migrate::run_within(url, Some(lock_timeout)).await.map_err(|error| failed(error, url))?;
    let applied = migrated.now.saturating_sub(migrated.before);
    match output.format {
        Format::Json | Format::Jsonl => output.json(&json!({"applied": applied, "now": migrated.now, "missing": 0}))?,
        Format::Table | Format::Wide | Format::Csv => output.data(match applied {
            0 => format!("up to date: {} migrations", migrated.now),
            _ => format!("{applied} applied, up to date: {} migrations", migrated.now),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(error: DatabaseError, url: &str) -> anyhow::Error {
    if error.is_lock_timeout() {
        return Problem::new(
            Exit::Failed,
            "a table is in use, and its lock was not to be had; the migration is undone",
        )
        .fix("type it again when it is quieter, or wait longer: --lock-timeout 30s")
        .into();
    }
    unreachable(error, url)
}

fn show(status: &Status, listed: &[Migration], word: &str, output: Output) -> anyhow::Result<()> {
    if matches!(output.format, Format::Json | Format::Jsonl) {
        let mut value = serde_json::to_value(status)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("now".to_owned(), status.applied.into());
            object.insert("missing".to_owned(), status.pending.len().into());
        }
        return output.json(&value);
    }
    for migration in listed {
        output.data(format!("{word}  {}  {}", migration.version, migration.description))?;
    }
    for problem in problems(status) {
        output.data(problem)?;
    }
    for migration in &status.newer {
        output.data(format!(
            "newer  {}  {} (another program's; this one works on it)",
            migration.version, migration.description
        ))?;
    }
    let known = migrate::known();
    output.data(match status.pending.len() {
        0 => format!("up to date: {} migrations", status.applied),
        missing => format!("{missing} of {known} migrations are missing: hellosales migrate"),
    })?;
    Ok(())
}

fn problems(status: &Status) -> Vec<String> {
    let of = |what: &str, all: &[Migration]| -> Vec<String> {
        all.iter().map(|one| format!("{what}  {}  {}", one.version, one.description)).collect()
    };
    let mut problems = of("changed", &status.changed);
    problems.extend(of("unfinished", &status.unfinished));
    let indexes = status.invalid_indexes.iter();
    problems.extend(
        indexes.map(|name| format!("invalid  index {name}: DROP INDEX CONCURRENTLY {name}, then migrate again")),
    );
    problems
}

fn check(status: &Status, output: Output) -> anyhow::Result<ExitCode> {
    show(status, &status.pending, "missing", output)?;
    let code = if status.is_sound() { ExitCode::SUCCESS } else { Exit::Failed.into() };
    output.say(match (status.pending.is_empty(), status.is_whole()) {
        (false, _) => "this program does not start on this schema",
        (true, false) => "this program starts; the schema is to be looked at",
        (true, true) => "this program works on this schema",
    });
    Ok(code)
}
