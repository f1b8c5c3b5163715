//! The door: an api in process, people with tokens, and hands that work on what they submit.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use hellosales_api::{Api, ApiConfig};
use hellosales_core::Role;
use hellosales_simulator::{ISSUER, Issuer, Role as TokenRole, Simulator, SimulatorConfig, TokenRequest};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sse_stream::SseStream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::database::{TestDatabase, pools};
use crate::harness::proxy::Proxy;
use crate::queue::bench::Bench;

/// An api in process.
pub(super) struct Door<'a> {
    /// Its database, and hands.
    pub bench: Bench<'a>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Signs tokens that it believes.
    pub issuer: Issuer,
    /// Tells it to stop.
    pub shutdown: CancellationToken,
    /// Ends when it has stopped.
    pub serving: JoinHandle<()>,
    http: reqwest::Client,
    config: ApiConfig,
    _simulator: DropGuard,
}

/// A person with a token.
#[derive(Clone)]
pub(super) struct Person {
    address: SocketAddr,
    http: reqwest::Client,
    /// The token.
    pub token: String,
}

impl Door<'_> {
    /// Runs a test at a door of its own; at its end all rules hold that hold at any instant.
    pub(super) async fn run(test: impl AsyncFnOnce(&Door<'_>)) {
        Self::run_with(|_| {}, test).await;
    }

    /// The same, with other settings.
    pub(super) async fn run_with(settings: impl FnOnce(&mut ApiConfig), test: impl AsyncFnOnce(&Door<'_>)) {
        TestDatabase::run(async |db: &TestDatabase| {
            let door = Door::open(db, &db.url, settings).await;
            test(&door).await;
            door.close().await;
        })
        .await;
    }

    /// The same, for a test that writes by hand what workers write, and so leaves rows that break rules.
    pub(super) async fn run_by_hand(test: impl AsyncFnOnce(&Door<'_>)) {
        TestDatabase::run_unchecked(async |db: &TestDatabase| {
            let door = Door::open(db, &db.url, |_| {}).await;
            test(&door).await;
            door.close().await;
        })
        .await;
    }

    /// The same, with a proxy between the api and its database.
    pub(super) async fn run_behind_proxy(test: impl AsyncFnOnce(&Door<'_>, &Proxy)) {
        TestDatabase::run(async |db: &TestDatabase| {
            let proxy = Proxy::start(&db.url).await;
            let door = Door::open(db, &proxy.url(&db.url), |_| {}).await;
            test(&door, &proxy).await;
            door.close().await;
        })
        .await;
    }

    async fn close(self) {
        self.shutdown.cancel();
        self.serving.await.expect("the api stops");
    }

    async fn open<'a>(db: &'a TestDatabase, url_of_database: &str, settings: impl FnOnce(&mut ApiConfig)) -> Door<'a> {
        let simulator = Simulator::bind("127.0.0.1:0", SimulatorConfig::instant()).await.expect("a simulator");
        let (issuer, url) = (simulator.issuer().clone(), simulator.url());
        let stop = CancellationToken::new();
        tokio::spawn(simulator.run(stop.clone()));
        let mut config = ApiConfig::new(format!("{url}/.well-known/jwks.json"), ISSUER);
        config.shutdown_grace = Duration::from_secs(5);
        settings(&mut config);
        let api = Api::bind(config.clone(), pools(url_of_database, Role::Api), pools(url_of_database, Role::Fanout))
            .await
            .expect("an api");
        let (address, shutdown) = (api.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(api.run(shutdown.clone()));
        let bench = Bench::at(db).await;
        let (http, _simulator) = (reqwest::Client::new(), stop.drop_guard());
        Door { bench, address, issuer, shutdown, serving, http, config, _simulator }
    }

    /// A person of an organisation.
    pub(super) fn person(&self, org: &str, name: &str, role: TokenRole) -> Person {
        self.bearer(self.issuer.token(&TokenRequest::new(org, name, role)))
    }

    /// The settings of its api, for another one.
    pub(super) fn config(&self) -> ApiConfig {
        self.config.clone()
    }

    /// Ana, a member of Acme.
    pub(super) fn ana(&self) -> Person {
        self.person("Acme", "Ana", TokenRole::Member)
    }

    /// Whoever has this token.
    pub(super) fn bearer(&self, token: String) -> Person {
        Person { address: self.address, http: self.http.clone(), token }
    }

    /// Asks until the answer is yes.
    pub(super) async fn until(&self, question: &str) {
        self.bench.db.owner().await.until(question).await;
    }

    /// How many rows a client's requests have written.
    pub(super) async fn rows(&self) -> i64 {
        self.bench
            .value(
                "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM interactions) + (SELECT count(*) FROM pipeline_runs)
                   + (SELECT count(*) FROM pipeline_steps) + (SELECT count(*) FROM run_stream) + (SELECT count(*) FROM idempotency_keys)",
            )
            .await
    }
}

impl Person {
    /// The same person at another api.
    pub(super) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// A request with the token.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address)).bearer_auth(&self.token)
    }

    /// GET.
    pub(super) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// POST of JSON.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// POST of JSON, with a key.
    pub(super) async fn post_once(&self, key: &str, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
    }

    /// A new session's id.
    pub(super) async fn session(&self) -> String {
        self.post("/chat/sessions", &json!({})).await.expect(StatusCode::CREATED)["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// Says something; the run.
    pub(super) async fn say(&self, session: &str, message: &str) -> Value {
        let path = format!("/chat/sessions/{session}/messages");
        self.post(&path, &json!({"message": message})).await.expect(StatusCode::ACCEPTED)
    }

    /// Follows a run.
    pub(super) async fn follow(&self, run: &str, after: Option<i64>) -> Events {
        let after = after.map_or_else(String::new, |after| format!("?after={after}"));
        self.events(&format!("/runs/{run}/events{after}")).await
    }

    /// Follows what is at a path.
    pub(super) async fn events(&self, path: &str) -> Events {
        let response = self.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        Events { stream: Box::pin(SseStream::from_bytes_stream(response.bytes_stream())) }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Of a request.
    pub(super) async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.expect("an answer")).await
    }

    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
        Self { status, headers, body }
    }

    /// The body, if the status is this one.
    pub(super) fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// That it is this problem.
    pub(super) fn problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"], self.headers["x-request-id"].to_str().expect("text"));
    }

    /// That it is a fault of this value.
    pub(super) fn fault(&self, pointer: &str, code: &str) {
        self.problem(422, "VALIDATION_FAILED");
        let errors = self.body["errors"].as_array().expect("a list");
        assert!(errors.iter().any(|error| error["pointer"] == pointer && error["code"] == code), "{}", self.body);
    }

    /// A header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// A run's events as a client has them.
pub(super) struct Events {
    stream: std::pin::Pin<Box<dyn futures::Stream<Item = Result<sse_stream::Sse, sse_stream::Error>> + Send>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub name: String,
    pub id: Option<i64>,
    pub data: Value,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Events {
    /// The next event; `None` when the server has closed.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("an event in time")?;
            let sse = next.expect("a frame");
            let (Some(name), Some(data)) = (sse.event, sse.data) else { continue };
            let data: Value = serde_json::from_str(&data).expect("JSON");
            assert_eq!(data["type"], name.as_str());
            return Some(Event { name, id: sse.id.map(|id| id.parse().expect("a position")), data });
        }
    }

    /// The next event, which must be this one.
    pub(super) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.unwrap_or_else(|| panic!("closed before {name}"));
        assert_eq!(event.name, name, "{}", event.data);
        event
    }

    /// All events until the server closes.
    pub(super) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}
