//! `hellosales migrate up | status`: safe to run twice, and at once from many processes.

use std::process::ExitCode;

use hellosales_core::database::migrate;
use serde_json::json;

use crate::Global;
use crate::database::{self, unreachable};
use crate::output::{Format, Output};
use crate::problem::Exit;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Action {
    /// Apply what is missing (the default)
    Up,
    /// Say what is missing; exit 1 if anything is
    Status,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let url = database::url(global)?;
    let action = args.action.unwrap_or(Action::Up);
    let migrated = match action {
        Action::Up => migrate::run(&url).await,
        Action::Status => migrate::status(&url).await,
    };
    let migrated = migrated.map_err(|error| unreachable(error, &url))?;
    let missing = migrate::known().saturating_sub(migrated.now);
    let applied = migrated.now.saturating_sub(migrated.before);
    match output.format {
        Format::Json | Format::Jsonl => {
            output.json(&json!({"applied": applied, "now": migrated.now, "missing": missing}))?
        }
        Format::Table | Format::Wide | Format::Csv => output.data(match (applied, missing) {
            (0, 0) => format!("up to date: {} migrations", migrated.now),
            (_, 0) => format!("{applied} applied, up to date: {} migrations", migrated.now),
            _ => format!("{missing} of {} migrations are missing: hellosales migrate", migrate::known()),
        })?,
    }
    Ok(if missing == 0 { ExitCode::SUCCESS } else { Exit::Failed.into() })
}
