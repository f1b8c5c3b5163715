//! `hellosales api`: serves HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use hellosales_api::{Api, ApiConfig, StartError};
use hellosales_core::Role;

use crate::Global;
use crate::problem::{Exit, Problem};
use crate::{config, database, shutdown, telemetry};

/// What it takes; all else is in the environment (`.env.example`).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens [env: API_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = config::address)]
    listen: Option<SocketAddr>,
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::start()?;
    let stop = shutdown::token(args.exit_with_parent)?;
    let mut settings = ApiConfig::from_env().map_err(|error| config::unusable(&error))?;
    settings.listen = args.listen.unwrap_or(settings.listen);
    let url = database::url(global)?;
    database::refuse_unsafe(&url).await?;
    database::refuse_behind(&url).await?;
    let (db, fanout) =
        (database::open(&url, Role::Api, "hellosales api")?, database::open(&url, Role::Fanout, "hellosales api")?);
    let api = Api::bind(settings, db.clone(), fanout.clone()).await.map_err(cant_start)?;
    tracing::info!(address = %api.local_addr(), version = env!("CARGO_PKG_VERSION"), "the api serves");
    api.run(stop).await;
    db.close().await;
    fanout.close().await;
    tracing::info!("the api has stopped");
    Ok(ExitCode::SUCCESS)
}

fn cant_start(error: StartError) -> anyhow::Error {
    match &error {
        StartError::Listen { address, .. } => {
            let problem = Problem::new(Exit::Failed, format!("the api can't listen on {address}"));
            anyhow::Error::from(error).context(problem.fix("name another address, e.g. --listen 127.0.0.1:18080"))
        }
        _ => error.into(),
    }
}
