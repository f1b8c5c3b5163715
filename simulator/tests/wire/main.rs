//! The simulator as its clients meet it: over real HTTP, from the outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod faults;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::StreamExt;
use hellosales_simulator::{ISSUER, Issuer, Role, Simulator, SimulatorConfig, TokenRequest};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SYSTEM: &str = "You help salespeople.\n\n## Company\nName: Northwind\n\n## Product\nName: Beacon\nKey features: instant alerts; shared inbox\n\n## Client\nName: Ana Reyes\nPain points: slow answers; lost tickets";

fn issuer() -> Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(|| Issuer::ephemeral().unwrap()).clone()
}

struct Running {
    url: String,
    client: Client,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start() -> Self {
        Self::with(SimulatorConfig::instant()).await
    }

    async fn with(config: SimulatorConfig) -> Self {
        let config = SimulatorConfig { issuer: Some(issuer()), ..config };
        let simulator = Simulator::bind("127.0.0.1:0", config).await.unwrap();
        let shutdown = CancellationToken::new();
        Self {
            url: simulator.url(),
            client: Client::new(),
            task: tokio::spawn(simulator.run(shutdown.clone())),
            shutdown,
        }
    }

    fn ask(&self, body: &Value) -> RequestBuilder {
        let url = format!("{}/v1/chat/completions", self.url);
        self.client.post(url).bearer_auth("any").json(body)
    }

    async fn control(&self, rule: Value) {
        let url = format!("{}/_control", self.url);
        let response = self.client.post(url).json(&rule).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    async fn back_to_normal(&self) {
        self.client.delete(format!("{}/_control", self.url)).send().await.unwrap();
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn wait_held(&self, held: usize) {
        let shown = self.get(&format!("/_control?held={held}&wait_ms=10000")).await;
        assert_eq!(shown["held"], held);
    }

    /// The log's last entry, once it has an end.
    async fn last_end(&self) -> Value {
        let began = Instant::now();
        loop {
            let log = self.get("/_log").await;
            let last = log.as_array().unwrap().last().unwrap().clone();
            if !last["end"].is_null() {
                return last;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "no end: {last}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn plain(question: &str) -> Value {
    json!({"model": "m", "messages": [
        {"role": "system", "content": SYSTEM}, {"role": "user", "content": question},
    ]})
}

fn streamed(question: &str) -> Value {
    let mut body = plain(question);
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    body
}

/// The `data:` frames of a stream, and whether it ended as it should.
async fn frames(response: Response) -> (Vec<String>, bool) {
    let mut text = String::new();
    let mut whole = true;
    let mut body = response.bytes_stream();
    while let Some(part) = body.next().await {
        match part {
            Ok(part) => text.push_str(std::str::from_utf8(&part).unwrap()),
            Err(_) => whole = false,
        }
    }
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty());
    (frames.map(|frame| frame.strip_prefix("data: ").unwrap().to_owned()).collect(), whole)
}

fn texts(frames: &[String]) -> Vec<String> {
    let chunks = frames.iter().filter_map(|frame| serde_json::from_str::<Value>(frame).ok());
    let texts = chunks.filter_map(|chunk| {
        let text = chunk["choices"][0]["delta"]["content"].as_str()?.to_owned();
        (!text.is_empty()).then_some(text)
    });
    texts.collect()
}

#[tokio::test]
async fn a_plain_answer_has_openais_shape() {
    let sim = Running::start().await;
    let response = sim.ask(&plain("How do I open the call?")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    for name in [
        "x-request-id",
        "openai-processing-ms",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ] {
        assert!(headers.contains_key(name), "{name}");
    }
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("Ana Reyes") && text.contains("Beacon"), "{text}");
    let usage = &body["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    let entry = sim.last_end().await;
    assert_eq!(entry["end"], "completed");
    assert_eq!(entry["text"], text);
    assert_eq!(entry["tokens_sent"], usage["completion_tokens"]);
    assert_eq!(entry["prompt_tokens"], usage["prompt_tokens"]);
    assert_eq!(entry["messages"][0]["content"], SYSTEM);
    assert!(!entry.to_string().contains("Bearer"));
}

#[tokio::test]
async fn a_stream_is_the_same_answer_in_tokens_with_its_usage() {
    let sim = Running::start().await;
    let whole: Value = sim.ask(&plain("Why us?")).send().await.unwrap().json().await.unwrap();
    let response = sim.ask(&streamed("Why us?")).send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/event-stream"));
    let (frames, ended) = frames(response).await;
    assert!(ended);
    let tokens = texts(&frames);
    assert_eq!(tokens.concat(), whole["choices"][0]["message"]["content"].as_str().unwrap());
    let [first, .., finish, usage, done] = frames.as_slice() else { panic!("{frames:?}") };
    let parse = |frame: &str| serde_json::from_str::<Value>(frame).unwrap();
    assert_eq!(parse(first)["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(parse(first)["usage"], Value::Null);
    assert_eq!(parse(finish)["choices"][0]["finish_reason"], "stop");
    assert_eq!(parse(finish).get("x_groq"), None);
    assert_eq!(parse(usage)["choices"], json!([]));
    assert_eq!(parse(usage)["usage"], whole["usage"]);
    assert_eq!(parse(usage)["usage"]["completion_tokens"], tokens.len());
    assert_eq!(done, "[DONE]");
}

#[tokio::test]
async fn usage_comes_only_when_asked_for_and_groq_puts_it_in_x_groq() {
    let sim = Running::start().await;
    let mut body = streamed("Why us?");
    body.as_object_mut().unwrap().remove("stream_options");
    let (openai, _) = frames(sim.ask(&body).send().await.unwrap()).await;
    assert!(openai.iter().all(|frame| !frame.contains("usage")));
    let url = format!("{}/openai/v1/chat/completions", sim.url);
    let response = sim.client.post(url).bearer_auth("k").json(&body).send().await.unwrap();
    let (groq, _) = frames(response).await;
    let last: Value = serde_json::from_str(&groq[groq.len() - 2]).unwrap();
    assert_eq!(last["x_groq"]["usage"]["completion_tokens"], texts(&groq).len());
    assert!(last["x_groq"]["id"].as_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn a_bound_on_tokens_ends_with_length() {
    let sim = Running::start().await;
    for name in ["max_tokens", "max_completion_tokens"] {
        let mut body = streamed("Why us?");
        body[name] = json!(4);
        let (frames, _) = frames(sim.ask(&body).send().await.unwrap()).await;
        assert_eq!(texts(&frames).len(), 4);
        assert!(frames.iter().any(|frame| frame.contains(r#""finish_reason":"length""#)));
    }
    assert_eq!(sim.last_end().await["max_tokens"], 4);
}

#[tokio::test]
async fn a_schema_is_filled_from_the_prompt() {
    let sim = Running::start().await;
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["subject", "body", "tone", "points"],
        "properties": {
            "subject": {"type": "string", "maxLength": 60}, "body": {"type": "string"},
            "tone": {"enum": ["warm", "formal"]}, "points": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        },
    });
    let mut body = streamed("Write the email");
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "email", "strict": true, "schema": schema}});
    let (frames, _) = frames(sim.ask(&body).send().await.unwrap()).await;
    let value: Value = serde_json::from_str(&texts(&frames).concat()).unwrap();
    for fact in ["Ana", "Beacon"] {
        assert!(value["body"].as_str().unwrap().contains(fact), "{fact}: {value}");
    }
    assert!(value["subject"].as_str().unwrap().chars().count() <= 60);
    assert_eq!(value["points"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn bad_requests_are_refused_in_openais_words() {
    let sim = Running::start().await;
    let url = format!("{}/v1/chat/completions", sim.url);
    let unsigned = sim.client.post(&url).json(&plain("x")).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    assert_eq!(sim.last_end().await["end"], "status_401");
    let garbage = sim.client.post(&url).bearer_auth("k").body("{").send().await.unwrap();
    assert_eq!(garbage.status(), 400);
    assert!(garbage.headers().contains_key("x-request-id"));
    let body: Value = garbage.json().await.unwrap();
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert_eq!(sim.last_end().await["end"], "bad_request");
    let mut hot = plain("x");
    hot["temperature"] = json!(7);
    let body: Value = sim.ask(&hot).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["error"]["param"], "temperature");
    let unknown = sim.client.get(format!("{}/v2/nothing", sim.url)).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    assert_eq!(sim.last_end().await["end"], "status_404");
    assert_eq!(sim.client.get(&url).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn bodies_prompts_and_requests_at_once_are_bounded() {
    let config =
        SimulatorConfig { most_body_bytes: 4_000, context_tokens: 100, most_requests: 1, ..SimulatorConfig::instant() };
    let sim = Running::with(config).await;
    let large = sim.ask(&plain(&"x".repeat(5_000))).send().await.unwrap();
    assert_eq!(large.status(), 413);
    let long: Value = sim.ask(&plain(&"x ".repeat(200))).send().await.unwrap().json().await.unwrap();
    assert_eq!(long["error"]["code"], "context_length_exceeded");
    sim.control(json!({"hold_after_tokens": 0})).await;
    let held = sim.ask(&streamed("x")).send().await.unwrap();
    sim.wait_held(1).await;
    assert_eq!(sim.ask(&plain("x")).send().await.unwrap().status(), 503);
    sim.back_to_normal().await;
    assert!(frames(held).await.1);
    assert_eq!(sim.ask(&plain("x")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_log_is_in_order_and_can_be_cleared() {
    let sim = Running::start().await;
    for question in ["one", "two", "three"] {
        sim.ask(&plain(question)).send().await.unwrap();
    }
    let log = sim.get("/_log").await;
    let questions: Vec<&str> =
        log.as_array().unwrap().iter().map(|entry| entry["messages"][1]["content"].as_str().unwrap()).collect();
    assert_eq!(questions, ["one", "two", "three"]);
    sim.client.delete(format!("{}/_log", sim.url)).send().await.unwrap();
    assert_eq!(sim.get("/_log").await, json!([]));
}

#[tokio::test]
async fn models_are_listed_on_both_bases() {
    let sim = Running::start().await;
    for (base, owner) in [("/v1", "openai"), ("/openai/v1", "Groq")] {
        let url = format!("{}{base}/models", sim.url);
        assert_eq!(sim.client.get(&url).send().await.unwrap().status(), 401);
        let list: Value = sim.client.get(&url).bearer_auth("k").send().await.unwrap().json().await.unwrap();
        assert_eq!(list["object"], "list");
        assert_eq!(list["data"][0]["owned_by"], owner);
    }
}

#[derive(serde::Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    org_id: String,
    role: String,
    permissions: Vec<String>,
    name: String,
    org_name: String,
    email: String,
}

#[tokio::test]
async fn the_jwks_verifies_a_token() {
    let sim = Running::start().await;
    let asked = json!({"org": "Acme Inc", "user": "Ana Reyes", "role": "manager"});
    let url = format!("{}/_token", sim.url);
    let answer: Value = sim.client.post(&url).json(&asked).send().await.unwrap().json().await.unwrap();
    let posted = answer["token"].as_str().unwrap().to_owned();
    let request = TokenRequest::new("Acme Inc", "Ana Reyes", Role::Manager);
    for path in ["/.well-known/jwks.json", "/sso/jwks/client_dev"] {
        for token in [&posted, &issuer().token(&request)] {
            let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(sim.get(path).await).unwrap();
            let header = jsonwebtoken::decode_header(token).unwrap();
            let jwk = set.find(&header.kid.unwrap()).unwrap();
            let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
            let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
            validation.set_issuer(&[ISSUER]);
            validation.validate_nbf = true;
            let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).unwrap().claims;
            assert_eq!(claims.iss, ISSUER);
            assert_eq!((claims.sub, claims.org_id), (request.sub(), request.org_id()));
            assert_eq!((claims.name.as_str(), claims.org_name.as_str()), ("Ana Reyes", "Acme Inc"));
            assert_eq!(claims.role, "manager");
            assert_eq!(claims.permissions, Role::Manager.permissions());
            assert_eq!(claims.email, "ana-reyes@acme-inc.example");
        }
    }
    let unknown = json!({"org": "a", "user": "b", "role": "owner"});
    assert_eq!(sim.client.post(url).json(&unknown).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn any_claims_can_be_signed() {
    let token = issuer().sign(&json!({"alg": "none"}), &json!({"sub": "x"}));
    assert_eq!(token.split('.').count(), 3);
    assert!(jsonwebtoken::decode_header(&token).is_err());
}

#[tokio::test]
async fn a_shutdown_cuts_what_is_held_and_returns() {
    let sim = Running::start().await;
    assert_eq!(sim.get("/health").await["status"], "ok");
    sim.control(json!({"hold_after_tokens": 1})).await;
    let response = sim.ask(&streamed("x")).send().await.unwrap();
    sim.wait_held(1).await;
    sim.shutdown.cancel();
    assert!(!frames(response).await.1);
    tokio::time::timeout(Duration::from_secs(5), sim.task).await.unwrap().unwrap().unwrap();
}
