//! The bench that a pipeline's test works at: an organisation with a session, the simulator, and a worker that takes one
//! step when it is told.

mod outside;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use hellosales_core::content::client::{self, Client};
use hellosales_core::content::company_profile::{self, CompanyProfile};
use hellosales_core::content::product::{self, Product};
use hellosales_core::pipeline::PipelineInput;
use hellosales_core::queue::claim::{self, ClaimRequest};
use hellosales_core::queue::settle::{self, Report, SettleOptions, Settled};
use hellosales_core::queue::submit::{self, NewRun};
use hellosales_core::queue::turn::{self, NewTurn};
use hellosales_core::queue::{ClaimedStep, Effects, End, Settlement, lease};
use hellosales_core::run::QualityMode;
use hellosales_core::{ClientId, Database, LeaseToken, OrgId, ProductId, Role, RunId, SessionId, UserId, WorkerId};
use hellosales_simulator::{Simulator, SimulatorConfig};
use hellosales_worker::config::{PipelineConfig, ProviderConfig, Settings};
use hellosales_worker::environment::Environment;
use hellosales_worker::guard::Guard;
use hellosales_worker::leases::Contact;
use hellosales_worker::pipelines;
use hellosales_worker::prompt::Prompts;
use hellosales_worker::registry::{CheckedRegistry, Executed, Work};
use hellosales_worker::stages::written::SourceReads;
use hellosales_worker::stream::{OpenStream, Streams};
use serde_json::Map;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::check;
use crate::harness::database::{Owner, TestDatabase};

impl Job {
    /// What the step's readers have, or will have.
    pub(super) fn text(&self) -> String {
        self.stream.as_ref().map(|stream| stream.handle().text()).unwrap_or_default()
    }
}

/// What a test stands at.
pub(super) struct Bench<'a> {
    pub db: &'a TestDatabase,
    pub worker: Database,
    pub environment: Environment,
    pub org: OrgId,
    pub session: SessionId,
    pub user: UserId,
    hand: WorkerId,
    pub registry: CheckedRegistry,
    owner: Mutex<Owner>,
    simulator: String,
    http: reqwest::Client,
    _stop: DropGuard,
}

/// What came of a step: its end, its effects, and what readers are to have instead.
type Result = (End, Option<Arc<dyn Effects>>, Option<String>);

/// A step at work.
pub(super) struct Job {
    pub step: ClaimedStep,
    pub stream: Option<OpenStream>,
    pub cancelled: CancellationToken,
}

impl Bench<'_> {
    /// Runs a test at a bench of its own; at its end all rules hold.
    pub(super) async fn run(test: impl AsyncFnOnce(&Bench<'_>)) {
        Self::run_with(PipelineConfig::default(), test).await;
    }

    /// The same, with what operators say.
    pub(super) async fn run_with(config: PipelineConfig, test: impl AsyncFnOnce(&Bench<'_>)) {
        Self::run_at(config, provider, test).await;
    }

    /// The same, but for the model, which is called in Gemini's own format.
    pub(super) async fn run_with_gemini(test: impl AsyncFnOnce(&Bench<'_>)) {
        Self::run_at(PipelineConfig::default(), gemini, test).await;
    }

    async fn run_at(config: PipelineConfig, provider: fn(&str) -> ProviderConfig, test: impl AsyncFnOnce(&Bench<'_>)) {
        TestDatabase::run_unchecked(async |db: &TestDatabase| {
            let bench = Bench::at(db, config, provider).await;
            test(&bench).await;
            bench.environment.llm.drain().await;
            check::live(db).await;
        })
        .await;
    }

    async fn at(db: &TestDatabase, config: PipelineConfig, provider: fn(&str) -> ProviderConfig) -> Bench<'_> {
        let simulator = Simulator::bind("127.0.0.1:0", SimulatorConfig::instant()).await.expect("a port");
        let url = simulator.url();
        let stop = CancellationToken::new();
        tokio::spawn(simulator.run(stop.clone()));
        let worker = db.pools(Role::Worker);
        let environment = Environment {
            database: worker.clone(),
            llm: provider(&url).door().expect("a door"),
            guard: Guard::new(config.guardrails_enabled).expect("rules"),
            prompts: Prompts::embedded().expect("templates"),
            sources: SourceReads::default(),
            config,
        };
        let bench = Bench {
            db,
            worker,
            environment,
            org: OrgId::new(),
            session: SessionId::new(),
            user: UserId::new(),
            hand: WorkerId::new(),
            registry: pipelines::registry().check().expect("code for every graph"),
            owner: Mutex::new(db.owner().await),
            simulator: url,
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            _stop: stop.drop_guard(),
        };
        bench.seed().await;
        bench
    }

    async fn seed(&self) {
        let (org, user, session) = (self.org, self.user, self.session);
        self.sql(&format!(
            "INSERT INTO organizations (id, external_id, name) VALUES ('{org}', '{org}', 'Northwind');
             INSERT INTO users (id, auth_provider, auth_subject, display_name) VALUES ('{user}', 'test', '{user}', 'Sam Seller');
             INSERT INTO organization_memberships (id, user_id, org_id) VALUES (gen_random_uuid(), '{user}', '{org}')"
        ))
        .await;
        let (product_id, client_id) = self.content("Ana Reyes").await;
        self.sql(&format!(
            "INSERT INTO sessions (id, org_id, user_id, product_id, client_id)
             VALUES ('{session}', '{org}', '{user}', '{product_id}', '{client_id}')"
        ))
        .await;
        let mut connection = self.worker.connection().await.expect("a connection");
        let beat = lease::Beat {
            worker: self.hand,
            host: "here".to_owned(),
            pid: 1,
            version: "0".to_owned(),
            slots: 8,
            lease_ms: 600_000,
            draining: false,
            drained: false,
            kinds: pipelines::registry().check().expect("a registry").shapes().kinds().into(),
        };
        lease::beat(&mut connection, &beat).await.expect("a beat");
    }

    /// A profile, a product, and a client of this name, by the functions that seeds use.
    pub(super) async fn content(&self, client_name: &str) -> (ProductId, ClientId) {
        let (product_id, client_id) = (ProductId::new(), ClientId::new());
        let profile = CompanyProfile { industry: Some("Software".into()), ..CompanyProfile::default() };
        let product = Product {
            id: product_id,
            name: "Beacon".into(),
            description: None,
            category: None,
            key_features: vec!["instant alerts".into(), "shared inbox".into()],
            pricing_info: Map::new(),
            target_audience: None,
            competitive_advantages: None,
            use_cases: vec![],
        };
        let client = Client {
            id: client_id,
            external_id: None,
            name: client_name.into(),
            company: Some("Globex".into()),
            title: None,
            industry: None,
            email: Some("canary@example.com".into()),
            pain_points: vec!["slow answers".into()],
            goals: vec![],
            objection_patterns: vec![],
            communication_style: None,
            decision_criteria: vec![],
        };
        let mut tx = self.db.pools(Role::Api).begin().await.expect("a transaction");
        let mut org = tx.enter(self.org).await.expect("entered");
        company_profile::upsert(&mut org, &profile).await.expect("a profile");
        assert!(product::insert(&mut org, &product).await.expect("a product"));
        assert!(!product::insert(&mut org, &product).await.expect("the same product"), "seeding again adds nothing");
        assert!(client::insert(&mut org, &client).await.expect("a client"));
        tx.commit().await.expect("committed");
        (product_id, client_id)
    }

    /// Statements of the owner.
    pub(super) async fn sql(&self, sql: &str) {
        self.owner.lock().await.run(sql).await;
    }

    /// One value that the owner sees.
    pub(super) async fn value<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.owner.lock().await.value(sql).await
    }

    /// A column that the owner sees.
    pub(super) async fn column(&self, sql: &str) -> Vec<String> {
        self.owner.lock().await.column(sql).await
    }

    /// The user says this; the run is accepted.
    pub(super) async fn say(&self, message: &str) -> RunId {
        let turn = NewTurn {
            run_id: RunId::new(),
            session_id: self.session,
            user_id: self.user,
            message: message.to_owned(),
            message_id: None,
            quality_mode: QualityMode::Balanced,
            temperature: None,
            max_tokens: None,
            replaces: None,
            request_id: None,
            traceparent: None,
            stage_timeout_ms: 30_000,
            rank: 1,
        };
        let mut tx = self.db.pools(Role::Api).begin().await.expect("a transaction");
        turn::accept(&mut tx.enter(self.org).await.expect("entered"), &turn).await.expect("accepted");
        tx.commit().await.expect("committed");
        turn.run_id
    }

    /// Submits a run that somebody follows; it is accepted.
    pub(super) async fn submit<I: PipelineInput>(&self, input: &I) -> RunId {
        let run = NewRun {
            user_id: Some(self.user),
            stream: true,
            ..NewRun::new(RunId::new(), input, 1, 30_000).expect("an input is JSON")
        };
        self.submit_run(run).await
    }

    /// Submits a run as it is.
    pub(super) async fn submit_run(&self, run: NewRun) -> RunId {
        let mut tx = self.db.pools(Role::Api).begin().await.expect("a transaction");
        submit::submit(&mut tx.enter(self.org).await.expect("entered"), &run).await.expect("accepted");
        tx.commit().await.expect("committed");
        run.id
    }

    /// Claims a step of this stage, such as `chat@1/llm`.
    pub(super) async fn take(&self, kind: &str) -> Job {
        let steps = self.claim([kind.to_owned()].into()).await;
        let step = steps.into_iter().next().unwrap_or_else(|| panic!("{kind} is not to be had"));
        self.job(step).await
    }

    /// Opens the step's stream, if it has one. Nobody flushes it: its settlement writes it whole.
    async fn job(&self, step: ClaimedStep) -> Job {
        let stream = if step.shape().streams && step.run().stream {
            Some(Streams::new(self.worker.clone()).open(&step).await.expect("the step is ours"))
        } else {
            None
        };
        Job { step, stream, cancelled: CancellationToken::new() }
    }

    async fn claim(&self, kinds: Arc<[String]>) -> Vec<ClaimedStep> {
        let request = ClaimRequest {
            worker: self.hand,
            token: LeaseToken::random(),
            kinds,
            free: 1,
            max: [1; 3],
            standard: 1,
            suspects: 0,
            except: Default::default(),
        };
        claim::claim(&self.worker, &request, &self.registry.shapes()).await.expect("a claim").steps
    }

    /// Executes a step; nothing is settled.
    pub(super) async fn execute(&self, job: &Job) -> Executed {
        self.execute_in(job, self.environment.clone()).await
    }

    /// The same, on a worker with another environment.
    pub(super) async fn execute_in(&self, job: &Job, environment: Environment) -> Executed {
        let stage = self.registry.of(&job.step).expect("code");
        let work = Work {
            step: &job.step,
            cancelled: job.cancelled.clone(),
            contact: Contact::always(),
            environment,
            stream: job.stream.as_ref().map(OpenStream::handle),
        };
        stage.execute(work).await
    }

    /// Settles what came of a step; it must land.
    pub(super) async fn settle(&self, job: Job, executed: Executed) -> Option<Arc<dyn Effects>> {
        let Executed::Ended { end, effects, instead } = executed else { panic!("the stage found itself lost") };
        let settled = self.hand_in(job, (end, effects.clone(), instead)).await.settled.pop();
        assert!(matches!(settled, Some(Settled::Landed { .. })), "{settled:?}");
        effects
    }

    /// Hands in an end of a step; what became of it, and who is to be woken.
    pub(super) async fn report(&self, job: Job, end: End, effects: Option<Arc<dyn Effects>>) -> Report {
        self.hand_in(job, (end, effects, None)).await
    }

    async fn hand_in(&self, job: Job, (end, effects, instead): Result) -> Report {
        let tail = match (&end, &job.stream) {
            (End::Ok(_), Some(stream)) => Some(stream.finish(Duration::ZERO).await),
            _ => None,
        };
        let mut settlement = Settlement::new(job.step, end);
        if let Some(tail) = tail {
            settlement = settlement.with_stream(tail);
        }
        if let Some(effects) = effects {
            settlement = settlement.with_effects(effects);
        }
        if let Some(text) = instead {
            settlement = settlement.with_instead(text);
        }
        let (worker, stage_timeout_ms, (pauses, automatic)) = (self.hand, 30_000, Default::default());
        let options = SettleOptions { worker, stage_timeout_ms, hand_over: false, pauses, automatic };
        settle::settle(&self.worker, &options, vec![settlement]).await
    }

    /// Takes a step of this stage, executes and settles it; what its readers got.
    pub(super) async fn step(&self, kind: &str) -> String {
        let job = self.take(kind).await;
        let executed = self.execute(&job).await;
        let text = job.text();
        self.settle(job, executed).await;
        text
    }

    /// Takes any step that is to be had until there is none.
    pub(super) async fn drain(&self) {
        let kinds: Arc<[String]> = self.registry.shapes().kinds().into();
        while let Some(step) = self.claim(Arc::clone(&kinds)).await.pop() {
            let job = self.job(step).await;
            let executed = self.execute(&job).await;
            self.settle(job, executed).await;
        }
    }

    /// The turn up to its model.
    pub(super) async fn prepare(&self) {
        for kind in ["chat@1/input_guard", "chat@1/profile_enrich", "chat@1/summary_enrich"] {
            self.step(kind).await;
        }
    }

    /// A whole turn.
    pub(super) async fn turn(&self, message: &str) -> RunId {
        let run = self.say(message).await;
        self.drain().await;
        run
    }
}

fn gemini(simulator: &str) -> ProviderConfig {
    let base = simulator.to_owned();
    let lookup = |name: &str| match name {
        "GOOGLE_BASE_URL" => Some(base.clone()),
        "GOOGLE_API_KEY" => Some("any".to_owned()),
        _ => None,
    };
    ProviderConfig::read(&Settings::new(&lookup)).expect("a configuration")
}

fn provider(simulator: &str) -> ProviderConfig {
    let base = format!("{simulator}/v1");
    let lookup = |name: &str| match name {
        "LLM_BASE_URL" => Some(base.clone()),
        "LLM_PROVIDER" => Some("simulator".to_owned()),
        _ => None,
    };
    ProviderConfig::read(&Settings::new(&lookup)).expect("a configuration")
}
