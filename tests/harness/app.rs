//! The application in one process: an api and workers over a database of the test's own, and the simulator as the
//! outside world. At its end it drains, and every rule holds.

use std::time::Duration;

use hellosales_api::{Api, ApiConfig};
use hellosales_core::Role;
use hellosales_simulator::{ISSUER, Issuer, Role as Person, Simulator, SimulatorConfig, TokenRequest};
use hellosales_worker::config::{PipelineConfig, ProviderConfig, Settings};
use hellosales_worker::environment::Environment;
use hellosales_worker::guard::Guard;
use hellosales_worker::pipelines;
use hellosales_worker::prompt::Prompts;
use hellosales_worker::stages::written::SourceReads;
use hellosales_worker::worker::{Worker, WorkerConfig, WorkerHandle};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::check;
use super::database::{TestDatabase, pools};
use super::http::Client;

/// What a test drives.
pub(crate) struct TestApp<'a> {
    /// Its database.
    pub db: &'a TestDatabase,
    urls: [String; 2],
    simulator: String,
    issuer: Issuer,
    http: reqwest::Client,
}

impl TestApp<'_> {
    /// Runs a test with two apis and no worker yet. At its end what is left is done, and every rule holds.
    pub(crate) async fn run(test: impl AsyncFnOnce(&TestApp<'_>)) {
        TestDatabase::run_unchecked(async |db: &TestDatabase| {
            let stop = CancellationToken::new();
            let mut parts = JoinSet::new();
            let app = TestApp::start(db, &mut parts, &stop).await;
            test(&app).await;
            app.drain().await;
            stop.cancel();
            parts.join_all().await;
            check::quiet(db).await;
        })
        .await;
    }

    async fn start<'a>(db: &'a TestDatabase, parts: &mut JoinSet<()>, stop: &CancellationToken) -> TestApp<'a> {
        let simulator = Simulator::bind("127.0.0.1:0", SimulatorConfig::instant()).await.expect("a simulator");
        let simulator_url = simulator.url();
        let issuer = simulator.issuer().clone();
        let mut urls = [String::new(), String::new()];
        for url in &mut urls {
            let config = ApiConfig::new(format!("{simulator_url}/.well-known/jwks.json"), ISSUER);
            let api = Api::bind(config, db.pools(Role::Api), db.pools(Role::Fanout)).await.expect("an api");
            *url = format!("http://{}", api.local_addr());
            let stop = stop.clone();
            parts.spawn(async move { api.run(stop).await });
        }
        let stop_simulator = stop.clone();
        parts.spawn(async move { simulator.run(stop_simulator).await.expect("the simulator ends well") });
        TestApp { db, urls, simulator: simulator_url, issuer, http: reqwest::Client::new() }
    }

    /// Somebody of an organisation.
    pub(crate) fn user(&self, org: &str, name: &str) -> Client {
        Client::new(&self.urls[0], self.issuer.token(&TokenRequest::new(org, name, Person::Member)))
    }

    /// The same person at the other api.
    pub(crate) fn user_elsewhere(&self, org: &str, name: &str) -> Client {
        Client::new(&self.urls[1], self.issuer.token(&TokenRequest::new(org, name, Person::Member)))
    }

    /// A worker of this process, whose death is noticed soon.
    pub(crate) async fn worker(&self) -> WorkerHandle {
        self.worker_through(&self.db.url).await
    }

    /// A worker that reaches the database by another way.
    pub(crate) async fn worker_through(&self, database: &str) -> WorkerHandle {
        let base = format!("{}/v1", self.simulator);
        let lookup = |name: &str| match name {
            "LLM_BASE_URL" => Some(base.clone()),
            "LLM_PROVIDER" => Some("simulator".to_owned()),
            "LLM_API_KEY" => Some("any".to_owned()),
            // What a test breaks is whole again while it looks.
            "CIRCUIT_BREAKER_OPEN_SECONDS" => Some("1".to_owned()),
            _ => None,
        };
        let environment = Environment {
            database: pools(database, Role::Worker),
            llm: ProviderConfig::read(&Settings::new(&lookup)).and_then(ProviderConfig::door).expect("a door"),
            guard: Guard::new(true).expect("rules"),
            prompts: Prompts::embedded().expect("prompts"),
            sources: SourceReads::default(),
            config: PipelineConfig::default(),
        };
        let config = WorkerConfig {
            slots: 8,
            lease: Duration::from_secs(2),
            grace: Duration::from_secs(10),
            ..WorkerConfig::default()
        };
        Worker::start(config, pipelines::registry(), environment).await.expect("a worker")
    }

    /// Tells the simulator how to behave from now on.
    pub(crate) async fn control(&self, rule: &Value) {
        let response =
            self.http.post(format!("{}/_control", self.simulator)).json(rule).send().await.expect("an answer");
        assert!(response.status().is_success(), "{}", response.text().await.unwrap_or_default());
    }

    /// Waits until the simulator holds so many answers half-way.
    pub(crate) async fn held(&self, n: usize) {
        let url = format!("{}/_control?held={n}&wait_ms=20000", self.simulator);
        let body: Value = self.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(body["held"], json!(n));
    }

    /// The simulator is itself again; what it held goes on.
    pub(crate) async fn back_to_normal(&self) {
        self.http.delete(format!("{}/_control", self.simulator)).send().await.expect("an answer");
    }

    /// Every request that the provider got, in order.
    pub(crate) async fn provider_log(&self) -> Vec<Value> {
        let url = format!("{}/_log", self.simulator);
        let body: Value = self.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
        body.as_array().cloned().expect("a list")
    }

    /// A worker does what is left, and goes.
    async fn drain(&self) {
        self.back_to_normal().await;
        let worker = self.worker().await;
        let done = "SELECT NOT EXISTS (SELECT 1 FROM pipeline_runs WHERE completed_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM email_batches WHERE status IN ('running', 'cancelling'))
            AND NOT EXISTS (SELECT 1 FROM provider_calls WHERE completed_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM pipeline_steps WHERE status = 'running')";
        self.db.owner().await.until(done).await;
        worker.drain().await;
    }
}
