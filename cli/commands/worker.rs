//! `hellosales worker`: executes steps.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use hellosales_core::{Database, Role, budget};
use hellosales_worker::config::{BudgetConfig, PipelineConfig, ProviderConfig, Settings, WorkerConfig};
use hellosales_worker::environment::Environment;
use hellosales_worker::guard::Guard;
use hellosales_worker::pipelines;
use hellosales_worker::prompt::Prompts;
use hellosales_worker::stages::written::SourceReads;
use hellosales_worker::worker::{Worker, WorkerError};

use crate::Global;
use crate::problem::{Exit, Problem};
use crate::{config, database, shutdown, telemetry};

/// What it takes; all else is in the environment (`.env.example`).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many steps run at once [env: WORKER_SLOTS] [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    slots: Option<u16>,
    /// Where it answers /health, /ready and /metrics, e.g. :9091 [env: WORKER_LISTEN]
    #[arg(long, value_name = "ADDR", value_parser = config::address)]
    listen: Option<SocketAddr>,
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    telemetry::start()?;
    let stop = shutdown::token(args.exit_with_parent)?;
    let settings = Settings::of_process();
    let mut worker = WorkerConfig::read(&settings).map_err(|error| config::unusable(&error))?;
    worker.slots = args.slots.unwrap_or(worker.slots);
    worker.listen = args.listen.or(worker.listen);
    let url = database::url(global)?;
    database::refuse_unsafe(&url).await?;
    database::refuse_behind(&url).await?;
    let db = database::open(&url, Role::Worker, "hellosales worker")?;
    let environment = environment(&settings, db.clone())?;
    let budget = BudgetConfig::read(&settings).map_err(|error| config::unusable(&error))?;
    budget::set_defaults(&db, &budget.limits, budget.on_exceeded)
        .await
        .map_err(|error| database::unreachable(error, &url))?;
    tracing::info!(slots = worker.slots, version = env!("CARGO_PKG_VERSION"), "the worker starts");
    Worker::run(worker, pipelines::registry(), environment, stop).await.map_err(cant_start)?;
    db.close().await;
    tracing::info!("the worker has stopped");
    Ok(ExitCode::SUCCESS)
}

fn environment(settings: &Settings<'_>, database: Database) -> anyhow::Result<Environment> {
    let provider = ProviderConfig::read(settings).and_then(ProviderConfig::door);
    let pipelines = PipelineConfig::read(settings).map_err(|error| config::unusable(&error))?;
    Ok(Environment {
        database,
        llm: provider.map_err(|error| config::unusable(&error))?,
        guard: Guard::new(pipelines.guardrails_enabled).context("the guards' rules can't be used")?,
        prompts: Prompts::embedded().context("the prompts can't be used")?,
        sources: SourceReads::default(),
        config: pipelines,
    })
}

fn cant_start(error: WorkerError) -> anyhow::Error {
    match &error {
        WorkerError::Listen { address, .. } => {
            let problem = Problem::new(Exit::Failed, format!("the worker can't listen on {address}"));
            anyhow::Error::from(error).context(problem.fix("name another address, e.g. --listen 127.0.0.1:19091"))
        }
        WorkerError::Registry(_) => error.into(),
    }
}
