//! `hellosales keep-postgres`: what `dev` starts to have its PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::{private_postgres, shutdown};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cluster
    #[arg(long)]
    folder: PathBuf,
    /// Its port
    #[arg(long)]
    port: u16,
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = shutdown::token(args.exit_with_parent)?;
    private_postgres::keep(&args.folder, args.port, stop).await?;
    Ok(ExitCode::SUCCESS)
}
