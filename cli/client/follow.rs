//! Follows a run to its end, over any number of connections, without a gap or a repeat.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use sse_stream::SseByteStream;
use uuid::Uuid;

use super::{Api, Run, accepted};
use crate::problem::{Exit, Problem};

/// So many connections in a row may bring nothing.
const VAIN_TRIES: u32 = 20;
/// The api sends a comment every 15 s: longer silence is a dead connection.
const SILENCE: Duration = Duration::from_secs(40);

/// What a follower sees.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// More text; of a script or an email, of one of its fields.
    Delta {
        /// Which.
        field: Option<String>,
        /// The text.
        text: String,
    },
    /// The text so far, in place of what was known: one, or one a field.
    Snapshot(Vec<(Option<String>, String)>),
    /// Forget the text so far, and why.
    Reset(String),
    /// A stage began.
    Started {
        /// Which.
        stage: String,
        /// For the how manieth time.
        attempt: i64,
    },
    /// It waits, and what for.
    Waiting(String),
    /// It has ended.
    Ended(Box<Run>),
}

type Events = Pin<Box<dyn Stream<Item = Result<sse_stream::Sse, sse_stream::Error>> + Send>>;

/// A follower.
pub(crate) struct Follow {
    api: Api,
    run: Uuid,
    position: Option<i64>,
    events: Option<Events>,
    vain: u32,
}

/// What the data of an event may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    field: Option<String>,
    delta: String,
    #[serde(deserialize_with = "or_empty")]
    text: String,
    fields: Option<Map<String, Value>>,
    reason: String,
    stage: String,
    attempt: Value,
    waiting: Value,
    run: Value,
}

impl Data {
    /// What a snapshot says.
    fn said(self) -> Vec<(Option<String>, String)> {
        let plain = (!self.text.is_empty()).then_some((None, self.text));
        let fields = self.fields.into_iter().flatten();
        let by_field = fields.filter_map(|(field, text)| Some((Some(field), text.as_str()?.to_owned())));
        plain.into_iter().chain(by_field).collect()
    }
}

/// A text, or nothing in its place.
fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

impl Follow {
    pub(super) const fn new(api: Api, run: Uuid) -> Self {
        Self { api, run, position: None, events: None, vain: 0 }
    }

    /// The next event; `None` after the end. Given up in mid-wait, it goes on where it was.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            let Some(events) = self.events.as_mut() else {
                match self.connect().await? {
                    Some(events) => self.events = Some(events),
                    None => return Ok(None),
                }
                continue;
            };
            if let Ok(Some(Ok(event))) = tokio::time::timeout(SILENCE, events.next()).await {
                self.vain = 0;
                if let Some(event) = self.read(event)? {
                    return Ok(Some(event));
                }
            } else {
                // Closed, broken or silent: on to the next connection.
                self.events = None;
                self.retry("the connection ends again and again").await?;
            }
        }
    }

    async fn connect(&mut self) -> anyhow::Result<Option<Events>> {
        loop {
            let path = match self.position {
                Some(position) => format!("/runs/{}/events?after={position}", self.run),
                None => format!("/runs/{}/events", self.run),
            };
            match self.api.request(Method::GET, &path).send().await {
                Ok(answer) if answer.status() == StatusCode::NO_CONTENT => return Ok(None),
                Ok(answer) if answer.status().is_server_error() => self.retry("the api has a fault").await?,
                Ok(answer) => return Ok(Some(Box::pin(SseByteStream::new(accepted(answer).await?.bytes_stream())))),
                // An api that is started again is back soon.
                Err(_) if self.position.is_some() => self.retry("no api answers").await?,
                Err(error) => return Err(self.api.unreachable(error)),
            }
        }
    }

    async fn retry(&mut self, why: &str) -> anyhow::Result<()> {
        self.vain += 1;
        if self.vain > VAIN_TRIES {
            return Err(Problem::new(Exit::Unreachable, format!("run {} can't be followed: {why}", self.run)).into());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }

    fn read(&mut self, event: sse_stream::Sse) -> anyhow::Result<Option<Event>> {
        if let Some(position) = event.id.as_deref().and_then(|id| id.parse().ok()) {
            self.position = Some(position);
        }
        let (Some(name), Some(data)) = (event.event, event.data) else { return Ok(None) };
        let data: Data = serde_json::from_str(&data)?;
        Ok(match name.as_str() {
            "output.delta" => Some(Event::Delta { field: data.field, text: data.delta }),
            "run.snapshot" => Some(Event::Snapshot(data.said())),
            "output.reset" => Some(Event::Reset(data.reason)),
            "stage.started" => Some(Event::Started { stage: data.stage, attempt: data.attempt.as_i64().unwrap_or(1) }),
            "run.waiting" => {
                data.waiting.get("reason").and_then(Value::as_str).map(|why| Event::Waiting(why.to_owned()))
            }
            "run.completed" | "run.failed" | "run.cancelled" => Some(Event::Ended(serde_json::from_value(data.run)?)),
            _ => None,
        })
    }
}
