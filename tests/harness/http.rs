//! A client of the api: JSON in and out, and its streams of events.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sse_stream::{Sse, SseStream};

/// Somebody who is signed in.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, if it was JSON.
    pub body: Value,
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Its place.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its members.
    pub data: Value,
}

/// An open stream of events.
pub(crate) struct Events {
    stream: BoxStream<'static, Result<Sse, sse_stream::Error>>,
}

impl Client {
    /// Whoever this token says, at this api.
    pub(crate) fn new(base: &str, token: String) -> Self {
        Self { http: reqwest::Client::new(), base: base.to_owned(), token }
    }

    /// Asks.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Tells.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Tells, once: with a new key.
    pub(crate) async fn post_once(&self, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let key = uuid::Uuid::now_v7().to_string();
        Answer::read(request.header("Idempotency-Key", key).json(body).send().await.expect("an answer")).await
    }

    /// Changes what was seen with this tag; `*`: whatever is there.
    pub(crate) async fn patch(&self, path: &str, seen: &str, body: &Value) -> Answer {
        let request = self.http.patch(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let response = request.header("If-Match", seen).json(body).send().await.expect("an answer");
        Answer::read(response).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Answer::read(request.send().await.expect("an answer")).await
    }

    /// Follows a run, from a position if one is given. `None`: there is nothing more to come (204).
    pub(crate) async fn events(&self, run: &str, after: Option<i64>) -> Option<Events> {
        let request = self.http.get(format!("{}/runs/{run}/events", self.base)).bearer_auth(&self.token);
        let request = match after {
            Some(after) => request.header("Last-Event-ID", after.to_string()),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        if response.status() == StatusCode::NO_CONTENT {
            return None;
        }
        assert_eq!(response.status(), StatusCode::OK);
        Some(Events { stream: SseStream::from_bytes_stream(response.bytes_stream()).boxed() })
    }
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let status = response.status();
        let bytes = response.bytes().await.expect("a whole answer");
        Self { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// The body of an answer that must have this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }
}

impl Events {
    /// The next event; `None` when the server has closed the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.stream.next().await?.ok()?;
            // Comments and retry hints carry no data.
            let (Some(name), Some(data)) = (event.event, event.data) else { continue };
            let id = event.id.and_then(|id| id.parse().ok()).unwrap_or(-1);
            return Some(Event { id, name, data: serde_json::from_str(&data).expect("an event's data is JSON") });
        }
    }

    /// All events up to the end.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The same of a run that speaks by field.
pub(crate) fn fields(events: &[Event]) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for event in events {
        match event.name.as_str() {
            "run.snapshot" => {
                assert_eq!(event.data["text"], Value::Null);
                let said = event.data["fields"].as_object().expect("fields");
                fields =
                    said.iter().map(|(name, text)| (name.clone(), text.as_str().expect("a text").to_owned())).collect();
            }
            "output.reset" => fields.clear(),
            "output.delta" => {
                let field = event.data["field"].as_str().expect("a field");
                fields.entry(field.to_owned()).or_default().push_str(event.data["delta"].as_str().expect("a text"));
            }
            _ => {}
        }
    }
    fields
}

/// What a reader has on the screen after these events: the deltas after the last reset, after what a snapshot said.
pub(crate) fn text(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        match event.name.as_str() {
            "run.snapshot" => text = event.data["text"].as_str().unwrap_or_default().to_owned(),
            "output.reset" => text.clear(),
            "output.delta" => text.push_str(event.data["delta"].as_str().unwrap_or_default()),
            _ => {}
        }
    }
    text
}
