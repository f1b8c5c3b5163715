//! Workers as they run, several in one process, with stages that do what the test says.

mod deploys;
mod ends;
mod fairness;
mod script;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use hellosales_core::pipeline::CHAT;
use hellosales_core::{Role, RunId};
use hellosales_worker::config::{PipelineConfig, ProviderConfig, Settings, WorkerConfig};
use hellosales_worker::environment::Environment;
use hellosales_worker::guard::Guard;
use hellosales_worker::prompt::Prompts;
use hellosales_worker::registry::Registry;
use hellosales_worker::stages::written::SourceReads;
use hellosales_worker::worker::{Worker, WorkerHandle};

use super::bench::{Bench, DIAMOND};
use crate::harness::database::pools;
use script::Script;

/// What the stages of a test's workers are told.
struct Plan {
    b: Arc<Script>,
    c: Arc<Script>,
    llm: Arc<Script>,
}

impl Plan {
    fn new() -> Self {
        Self { b: Script::of(&[]), c: Script::of(&[]), llm: Script::of(&[]) }
    }

    fn b(script: &Arc<Script>) -> Self {
        Self { b: Arc::clone(script), ..Self::new() }
    }

    fn llm(script: &Arc<Script>) -> Self {
        Self { llm: Arc::clone(script), ..Self::new() }
    }

    fn registry(&self) -> Registry {
        Registry::new().pipeline(&DIAMOND, script::diamond(&self.b, &self.c)).pipeline(&CHAT, script::chat(&self.llm))
    }

    /// A worker that keeps to this plan.
    async fn worker(&self, bench: &Bench<'_>, config: WorkerConfig) -> WorkerHandle {
        self.worker_through(&bench.db.url, config, 30_000).await
    }

    /// Likewise, by another way, with another time for each stage.
    async fn worker_through(&self, url: &str, config: WorkerConfig, stage_timeout_ms: i32) -> WorkerHandle {
        let environment = Self::environment(url, stage_timeout_ms);
        Worker::start(config, self.registry(), environment).await.expect("a worker")
    }

    /// What its stages may reach.
    fn environment(url: &str, stage_timeout_ms: i32) -> Environment {
        let lookup = |name: &str| match name {
            "LLM_BASE_URL" => Some("http://127.0.0.1:9/v1".to_owned()),
            "LLM_MODEL" => Some("none".to_owned()),
            _ => None,
        };
        Environment {
            database: pools(url, Role::Worker),
            llm: ProviderConfig::read(&Settings::new(&lookup)).and_then(ProviderConfig::door).expect("a door"),
            guard: Guard::new(true).expect("rules"),
            prompts: Prompts::embedded().expect("prompts"),
            sources: SourceReads::default(),
            config: PipelineConfig { stage_timeout_ms, ..PipelineConfig::default() },
        }
    }
}

/// A worker whose death is noticed soon.
fn config() -> WorkerConfig {
    WorkerConfig { slots: 8, lease: Duration::from_secs(2), grace: Duration::from_secs(20), ..WorkerConfig::default() }
}

/// Waits until a query's only value is this.
async fn until(bench: &Bench<'_>, sql: &str, expected: &str) {
    bench.db.owner().await.until(&format!("SELECT coalesce(({sql})::text, '') = '{expected}'")).await;
}

/// Waits until a run has this status.
async fn run_is(bench: &Bench<'_>, run: RunId, status: &str) {
    until(bench, &format!("SELECT status FROM pipeline_runs WHERE id = '{run}'"), status).await;
}
