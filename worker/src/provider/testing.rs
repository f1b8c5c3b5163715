//! What tests of clients share: a simulator of their own, servers of a few raw bytes, and what came of a call.

use std::time::Duration;

use futures::StreamExt;
use hellosales_simulator::{Simulator, SimulatorConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::http::Timeouts;
use super::{Finish, Llm, LlmEvent, LlmRequest, Message, ProviderError, Speaker, Usage};

pub(super) const QUICK: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    first_token: Duration::from_millis(700),
    total: Duration::from_millis(1_500),
};

pub(super) fn request(model: &str) -> LlmRequest {
    let message = |role, content: &str| Message { role, content: content.to_owned() };
    LlmRequest {
        model: model.to_owned(),
        messages: vec![message(Speaker::System, "You help."), message(Speaker::User, "How do I open the call?")],
        temperature: Some(0.5),
        max_tokens: Some(200),
        schema: None,
        stream: true,
    }
}

/// What came of one call.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) usage: Option<Usage>,
    pub(super) request_id: Option<String>,
    pub(super) end: Result<Finish, ProviderError>,
}

pub(super) async fn ask(client: &dyn Llm, request: LlmRequest) -> Heard {
    let mut stream = client.generate(request);
    let mut heard = Heard { text: String::new(), usage: None, request_id: None, end: Err(ProviderError::CutStream) };
    let mut over = false;
    while let Some(event) = stream.next().await {
        assert!(!over, "nothing comes after the end");
        match event {
            Ok(LlmEvent::Started { request_id, .. }) => heard.request_id = request_id,
            Ok(LlmEvent::Delta(text)) => heard.text.push_str(&text),
            Ok(LlmEvent::Usage(usage)) => heard.usage = Some(usage),
            Ok(LlmEvent::Finished(finish)) => (heard.end, over) = (Ok(finish), true),
            Err(error) => (heard.end, over) = (Err(error), true),
        }
    }
    assert!(over, "a stream says how it ended");
    heard
}

/// A simulator of this test's own.
pub(super) struct World {
    pub(super) url: String,
    http: reqwest::Client,
    _stop: DropGuard,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::with(SimulatorConfig::instant()).await
    }

    pub(super) async fn with(config: SimulatorConfig) -> Self {
        let simulator = Simulator::bind("127.0.0.1:0", config).await.unwrap();
        let url = simulator.url();
        let stop = CancellationToken::new();
        tokio::spawn(simulator.run(stop.clone()));
        Self { url, http: reqwest::Client::builder().no_proxy().build().unwrap(), _stop: stop.drop_guard() }
    }

    pub(super) async fn control(&self, rule: Value) {
        let answer = self.http.post(format!("{}/_control", self.url)).json(&rule).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    pub(super) async fn log(&self) -> Value {
        self.http.get(format!("{}/_log", self.url)).send().await.unwrap().json().await.unwrap()
    }
}

/// A server that answers one request with these bytes and closes the connection; returns its base URL, and what it got.
pub(super) async fn raw(answer: impl Into<Vec<u8>>) -> (String, tokio::task::JoinHandle<String>) {
    let answer = answer.into();
    serve(move |mut socket| async move {
        // A client that has had enough hangs up: nothing to do about it here.
        let _sent = socket.write_all(&answer).await;
        let _closed = socket.shutdown().await;
    })
    .await
}

pub(super) async fn serve<F, A>(answer: F) -> (String, tokio::task::JoinHandle<String>)
where
    F: FnOnce(tokio::net::TcpStream) -> A + Send + 'static,
    A: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        let mut buffer = [0_u8; 4096];
        while !is_whole(&got) {
            let n = socket.read(&mut buffer).await.unwrap();
            got.extend_from_slice(&buffer[..n]);
        }
        answer(socket).await;
        String::from_utf8(got).unwrap()
    });
    (base, task)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

/// An answer with a status.
pub(super) fn status(line: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {line}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
